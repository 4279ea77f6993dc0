//! What the gateway costs: in front of a bare echo, against a bare forwarder in front of the same echo.

use anyhow::Result;
use http::uri::PathAndQuery;
use indicatif::ProgressBar;

use super::{
    args::Pace,
    mesh::Mesh,
    references::{Echoes, echo_callers, short},
    report::{GatewayReport, WorkloadReport, ratio},
    rounds::{Subject, measure},
    workload::Workload,
    world::World,
};

/// A call that the gateway passes on to the echo, which answers it without looking at it.
const PATH: PathAndQuery = PathAndQuery::from_static("/omnimesh.carts.v1.CartService/GetCart");

/// Measures with the payloads of what was measured before.
pub(super) async fn measure_all(
    mesh: &Mesh,
    world: &World,
    workloads: &[WorkloadReport],
    echoes: &mut Echoes,
    pace: Pace,
    bar: &ProgressBar,
) -> Result<Vec<GatewayReport>> {
    let mut reports = Vec::new();
    let Some(who) = world.shoppers.first() else { return Ok(reports) };
    let (gateway, address) = mesh.gateway_before(echoes.address()).await?;
    let of = [Workload::AddLine, Workload::GetCart];
    for workload in workloads.iter().filter(|workload| of.contains(&workload.workload)) {
        let sizes = (workload.request_bytes, workload.reply_bytes);
        for at in &workload.at {
            let callers = usize::from(at.callers);
            bar.set_message(format!("the gateway before an echo: {callers} callers"));
            let prepared = echo_callers(&address, callers, sizes, &PATH, Some(who)).await?;
            let subject = Subject { processes: vec![&gateway, echoes.process()], mesh: None };
            let gateway_and_echo = measure(&subject, short(pace), None, prepared).await?.figures;
            let forward_and_echo = echoes.measure(2, callers, sizes, pace).await?;
            let times = ratio(gateway_and_echo.cpu_ms, forward_and_echo.cpu_ms);
            reports.push(GatewayReport {
                callers: at.callers,
                request_bytes: sizes.0,
                reply_bytes: sizes.1,
                gateway_and_echo,
                forward_and_echo,
                added: times.map(|times| times - 1.0),
            });
        }
    }
    gateway.stop().await?;
    Ok(reports)
}
