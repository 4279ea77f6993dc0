//! Tax rates.

use omnimesh_kit::validate::Violations;
use omnimesh_proto::catalog::v1::{ListTaxRatesRequest, ListTaxRatesResponse, TaxRate};
use tonic::Response;

use super::State;
use crate::{
    domain::{check, span},
    error::Error,
    store::taxes,
};

pub(super) async fn run(state: &State, request: ListTaxRatesRequest) -> Result<Response<ListTaxRatesResponse>, Error> {
    let mut v = Violations::new();
    if !request.country_code.is_empty() {
        check::country(&mut v, "country_code", &request.country_code);
    }
    v.finish()?;
    let country = Some(request.country_code.as_str()).filter(|code| !code.is_empty());
    let mut conn = state.db.read().await?;
    let rates = taxes::list(&mut conn, country).await?.into_iter().map(|rate| TaxRate {
        country_code: rate.country,
        tax_category: rate.category,
        rate_ppm: rate.rate_ppm,
        start_time: span::to_proto(rate.starts_at),
    });
    Ok(Response::new(ListTaxRatesResponse { tax_rates: rates.collect() }))
}
