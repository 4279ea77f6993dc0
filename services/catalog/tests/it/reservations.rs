//! Reserve, confirm, release, commit.

use std::time::Duration;

use omnimesh_catalog::demo::{ANKARA, ISTANBUL, IZMIR, WAREHOUSE};
use omnimesh_kit::{
    call::Call,
    testing::{BACKENDS, eventually},
};
use omnimesh_proto::{
    catalog::v1::{Allocation, CommitRequest, ReleaseRequest, Reservation, ReservationState as State, ReserveRequest},
    common::v1::Channel,
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::mesh::{Mesh, admin, line, orders, reason, stocked};

fn part(line_id: &str, location: &str, quantity: i64) -> Allocation {
    Allocation { line_id: line_id.to_owned(), sku: String::new(), location_id: location.to_owned(), quantity }
}

async fn release(mesh: &Mesh, call: &Call, owner: &str, parts: &[Allocation], id: &str) -> Result<Reservation, Status> {
    let request = ReleaseRequest { owner_id: owner.to_owned(), allocations: parts.to_vec(), request_id: id.to_owned() };
    Ok(mesh.stock(call).release(request).await?.into_inner().reservation.unwrap())
}

async fn commit(mesh: &Mesh, owner: &str, parts: &[Allocation], id: &str) -> Result<Reservation, Status> {
    let request = CommitRequest { owner_id: owner.to_owned(), allocations: parts.to_vec(), request_id: id.to_owned() };
    Ok(mesh.stock(&orders()).commit(request).await?.into_inner().reservation.unwrap())
}

fn places(reservation: &Reservation) -> Vec<(&str, &str, i64)> {
    reservation.allocations.iter().map(|a| (a.line_id.as_str(), a.location_id.as_str(), a.quantity)).collect()
}

#[tokio::test]
async fn from_hold_to_hand_over() {
    for backend in BACKENDS {
        let mesh = stocked(backend).await;
        let lines =
            [line("1", "TEA-RIZE-500", 210, ""), line("2", "COFFEE-250", 2, IZMIR), line("3", "GIFT-WRAP", 1, "")];
        let held = mesh.reserve("order_1", &lines).await.unwrap();
        assert_eq!(held.state(), State::Held);
        // In the key order of their stock rows. The gift wrap travels with the coffee.
        let expected = [("2", IZMIR, 2), ("3", IZMIR, 1), ("1", WAREHOUSE, 200), ("1", ISTANBUL, 10)];
        assert_eq!(places(&held), expected);
        assert_eq!(mesh.parts("TEA-RIZE-500", WAREHOUSE).await, (200, 200, 0, 0));
        assert_eq!(mesh.parts("TEA-RIZE-500", ISTANBUL).await, (25, 10, 0, 15));

        // The same demand again has one effect.
        assert_eq!(mesh.reserve("order_1", &lines).await.unwrap(), held);
        assert_eq!(mesh.parts("TEA-RIZE-500", ISTANBUL).await, (25, 10, 0, 15));
        let other = mesh.reserve("order_1", &lines[..1]).await.unwrap_err();
        assert_eq!((other.code(), reason(&other)), (Code::AlreadyExists, "ALREADY_EXISTS".to_owned()));

        for _ in 0..2 {
            let confirmed = mesh.confirm("order_1").await.unwrap();
            assert_eq!((confirmed.state(), confirmed.expire_time), (State::Confirmed, None));
            assert_eq!(mesh.parts("TEA-RIZE-500", WAREHOUSE).await, (200, 0, 200, 0));
        }
        for _ in 0..2 {
            commit(&mesh, "order_1", &[part("1", ISTANBUL, 4)], "a").await.unwrap();
            assert_eq!(mesh.parts("TEA-RIZE-500", ISTANBUL).await, (21, 0, 6, 15));
        }
        for _ in 0..2 {
            release(&mesh, &orders(), "order_1", &[part("1", ISTANBUL, 1)], "a").await.unwrap();
            assert_eq!(mesh.parts("TEA-RIZE-500", ISTANBUL).await, (21, 0, 5, 16));
        }
        for _ in 0..2 {
            assert_eq!(commit(&mesh, "order_1", &[], "").await.unwrap().state(), State::Committed);
            assert_eq!(mesh.parts("TEA-RIZE-500", ISTANBUL).await, (16, 0, 0, 16));
            assert_eq!(mesh.parts("TEA-RIZE-500", WAREHOUSE).await, (0, 0, 0, 0));
            assert_eq!(mesh.parts("COFFEE-250", IZMIR).await, (8, 0, 0, 8));
        }
        // What has left stays gone.
        assert_eq!(release(&mesh, &orders(), "order_1", &[], "").await.unwrap().state(), State::Committed);
        assert_eq!(mesh.parts("COFFEE-250", IZMIR).await, (8, 0, 0, 8));
    }
}

#[tokio::test]
async fn all_lines_or_none() {
    for backend in BACKENDS {
        let mesh = stocked(backend).await;
        let lines = [
            line("1", "TEA-RIZE-500", 5, ""),
            line("2", "KILIM-ANATOLIA", 2, ""),
            line("3", "KILIM-ANATOLIA", 2, ISTANBUL),
        ];
        let refused = mesh.reserve("order_1", &lines).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused)), (Code::FailedPrecondition, "OUT_OF_STOCK".to_owned()));
        let violation = refused.get_details_precondition_failure().unwrap().violations.remove(0);
        assert_eq!(
            (violation.subject.as_str(), violation.description.as_str()),
            ("KILIM-ANATOLIA", "asked 4, available 3")
        );
        assert_eq!(mesh.parts("TEA-RIZE-500", WAREHOUSE).await, (200, 0, 0, 200));
        assert_eq!(mesh.parts("KILIM-ANATOLIA", ISTANBUL).await, (3, 0, 0, 3));

        // A marketplace's order is kept: what is there is reserved, what is not is said.
        let request = ReserveRequest {
            owner_id: "order_2".to_owned(),
            channel: Channel::Marketplace.into(),
            lines: [lines.to_vec(), vec![line("4", "unknown", 1, "")]].concat(),
            allow_shortfall: true,
            ..ReserveRequest::default()
        };
        let kept = mesh.stock(&orders()).reserve(request.clone()).await.unwrap().into_inner().reservation.unwrap();
        let short: Vec<_> = kept.shortfall.iter().map(|short| (short.line_id.as_str(), short.quantity)).collect();
        assert_eq!(short, [("2", 1), ("4", 1)]);
        assert_eq!(mesh.parts("KILIM-ANATOLIA", ISTANBUL).await, (3, 3, 0, 0));
        let again = mesh.stock(&orders()).reserve(request).await.unwrap().into_inner().reservation.unwrap();
        assert_eq!(again, kept);
    }
}

#[tokio::test]
async fn a_hold_that_ran_out_is_free_at_once_and_swept_soon() {
    for backend in BACKENDS {
        let mesh = stocked(backend).await;
        let all = [line("1", "KILIM-ANATOLIA", 3, ISTANBUL)];
        mesh.reserve("order_1", &all).await.unwrap();
        mesh.db.clock.advance(Duration::from_secs(15 * 60 - 1));
        assert_eq!(reason(&mesh.reserve("order_2", &all).await.unwrap_err()), "OUT_OF_STOCK");
        mesh.db.clock.advance(Duration::from_secs(1));
        assert_eq!(mesh.parts("KILIM-ANATOLIA", ISTANBUL).await, (3, 0, 0, 3));
        assert_eq!(reason(&mesh.confirm("order_1").await.unwrap_err()), "RESERVATION_LOST");
        assert_eq!(mesh.reserve("order_2", &all).await.unwrap().state(), State::Held);
        assert_eq!(mesh.parts("KILIM-ANATOLIA", ISTANBUL).await, (3, 3, 0, 0));
        // Its own owner may begin anew once there is some again.
        assert_eq!(reason(&mesh.reserve("order_1", &all).await.unwrap_err()), "OUT_OF_STOCK");
        release(&mesh, &orders(), "order_2", &[], "").await.unwrap();
        assert_eq!(mesh.reserve("order_1", &all).await.unwrap().state(), State::Held);

        let version = mesh.level("KILIM-ANATOLIA", ISTANBUL).await.version;
        mesh.db.clock.advance(Duration::from_secs(15 * 60));
        let swept = async || mesh.level("KILIM-ANATOLIA", ISTANBUL).await.version > version;
        eventually("the sweeper gave the stock back", swept).await;
        assert_eq!(mesh.parts("KILIM-ANATOLIA", ISTANBUL).await, (3, 0, 0, 3));
    }
}

#[tokio::test]
async fn what_is_released_stays_released() {
    for backend in BACKENDS {
        let mesh = stocked(backend).await;
        let lines = [line("1", "TEA-RIZE-500", 2, ANKARA)];
        mesh.reserve("order_1", &lines).await.unwrap();
        mesh.confirm("order_1").await.unwrap();
        // Not even an admin takes an order's goods away behind its back.
        let denied = release(&mesh, &admin(), "order_1", &[], "").await.unwrap_err();
        assert_eq!((denied.code(), reason(&denied)), (Code::PermissionDenied, "AUDIENCE_DENIED".to_owned()));
        assert_eq!(mesh.parts("TEA-RIZE-500", ANKARA).await, (15, 0, 2, 13));
        for _ in 0..2 {
            let released = release(&mesh, &orders(), "order_1", &[], "").await.unwrap();
            assert_eq!((released.state(), released.allocations.len()), (State::Released, 0));
            assert_eq!(mesh.parts("TEA-RIZE-500", ANKARA).await, (15, 0, 0, 15));
        }
        for lost in [
            mesh.confirm("order_1").await.unwrap_err(),
            commit(&mesh, "order_1", &[], "").await.unwrap_err(),
            mesh.reserve("order_1", &lines).await.unwrap_err(),
        ] {
            assert_eq!((lost.code(), reason(&lost)), (Code::FailedPrecondition, "RESERVATION_LOST".to_owned()));
        }
        // A release that overtakes its reservation wins.
        assert_eq!(release(&mesh, &orders(), "order_2", &[], "").await.unwrap().state(), State::Released);
        assert_eq!(reason(&mesh.reserve("order_2", &lines).await.unwrap_err()), "RESERVATION_LOST");
    }
}
