//! Sets tax rates.

use omnimesh_kit::{call::Call, idempotency::Once, once, validate::Violations};
use omnimesh_proto::catalog::v1::{SetTaxRatesRequest, SetTaxRatesResponse};
use tonic::Response;

use super::State;
use crate::{
    domain::{
        check,
        span::{ALWAYS, moment_or},
    },
    error::Error,
    store::taxes::{self, Rate},
};

const MAX: usize = 1_000;

pub(super) async fn run(
    state: &State,
    call: &Call,
    request: SetTaxRatesRequest,
) -> Result<Response<SetTaxRatesResponse>, Error> {
    let once = Once::new(call, "catalog.v1.CatalogService/SetTaxRates", &request.request_id, &request)?;
    let mut v = Violations::new();
    v.check("tax_rates", (1..=MAX).contains(&request.tax_rates.len()), format!("must be 1 to {MAX}"));
    let mut rates = Vec::new();
    for (index, sent) in request.tax_rates.iter().take(MAX).enumerate() {
        let field = |name: &str| format!("tax_rates[{index}].{name}");
        let country = check::country(&mut v, &field("country_code"), &sent.country_code);
        let category = check::tax_category(&mut v, &field("tax_category"), &sent.tax_category);
        let rate_ppm = v.range(&field("rate_ppm"), sent.rate_ppm, 0..=1_000_000);
        let starts_at = moment_or(&mut v, &field("start_time"), sent.start_time.as_ref(), ALWAYS);
        if let (Some(country), Some(category), Some(rate_ppm), Some(starts_at)) =
            (country, category, rate_ppm, starts_at)
        {
            rates.push(Rate { country, category, starts_at, rate_ppm });
        }
    }
    v.finish()?;
    let reply = once!(state.db, once, tx => {
        for rate in &rates {
            taxes::set(&mut tx, rate).await?;
        }
        Ok::<_, Error>(SetTaxRatesResponse {})
    })?;
    Ok(reply.into_response())
}
