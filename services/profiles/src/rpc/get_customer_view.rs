//! GetCustomerView: the whole customer in one call.

use omnimesh_kit::call::Call;
use omnimesh_proto::profiles::v1::{GetCustomerViewRequest, GetCustomerViewResponse};
use tonic::{Response, Status};

use super::App;

pub(super) async fn run(
    _app: &App,
    _call: Call,
    _request: GetCustomerViewRequest,
) -> Result<Response<GetCustomerViewResponse>, Status> {
    Err(Status::unimplemented("scaffold"))
}
