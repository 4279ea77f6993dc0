//! What channels know of customers: each row is one channel's claims about a person, recorded in the order of the file.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use indicatif::ProgressBar;
use omnimesh_kit::clock::Timestamp;
use omnimesh_proto::{
    common::v1::Address,
    profiles::v1::{
        AssertionOutcome, ClaimedIdentifier, Claims, IdentifierType, RecordAssertionsRequest,
        profile_service_client::ProfileServiceClient,
    },
};
use tonic::Code;

use super::{
    Kind, Plan,
    checkpoint::Checkpoint,
    mapping::Source,
    rows::{Fields, Refusal, Rows},
    send::{Summary, is_passing, item_style},
    times::Times,
};
use crate::client::Client;

/// How often a record is sent again while the mesh does not answer, with a growing pause.
const TRIES: u32 = 8;

/// A row's claims.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its line in the file; the header is line 1.
    pub line: u64,
    /// The request that records them.
    pub request: RecordAssertionsRequest,
}

/// The records of a file, and the rows that can't be used.
///
/// # Errors
/// If the file or mapping can't be used.
pub fn records(plan: &Plan) -> Result<(Vec<Record>, Vec<Refusal>)> {
    let rows = Rows::read(plan, Kind::Profiles)?;
    let (records, refused) = read(&rows)?;
    Ok((records, rows.refused.iter().cloned().chain(refused).collect()))
}

/// Imports a file of customer records.
///
/// # Errors
/// If the file or mapping can't be used, or the mesh does not answer. Refused rows are no error: the summary has them.
pub async fn import_profiles(client: &Client, plan: &Plan) -> Result<Summary> {
    let rows = Rows::read(plan, Kind::Profiles)?;
    let (records, refused) = read(&rows)?;
    let mut checkpoint = Checkpoint::load(&plan.checkpoints, &rows.digest)?;
    let mut summary = Summary {
        rows: rows.len(),
        items: records.len(),
        resumed: checkpoint.done().min(records.len()),
        refused: rows.refused.iter().cloned().chain(refused).chain(checkpoint.refused().iter().cloned()).collect(),
        ..Summary::default()
    };
    let bar = ProgressBar::new(records.len() as u64).with_style(item_style()).with_message("records");
    bar.set_position(summary.resumed as u64);
    bar.reset_eta();
    // One after the other: who is known decides about who comes next, and the same file gives the same profiles.
    for record in records.iter().skip(summary.resumed) {
        match send(client, record).await {
            Ok(outcome) => summary.count(outcome),
            Err(status) if status.code() == Code::InvalidArgument => {
                let refusal = Refusal { line: record.line, reason: status.message().to_owned() };
                checkpoint.refuse(std::slice::from_ref(&refusal));
                summary.refused.push(refusal);
            }
            Err(status) => {
                checkpoint.save()?;
                let (done, all) = (checkpoint.done(), records.len());
                if !is_passing(&status) {
                    return Err(anyhow::Error::new(status)).context("the mesh refused the import");
                }
                let message = status.message();
                bail!(
                    "the mesh does not answer ({message}): {done} of {all} records are imported; start the same command again to go on"
                );
            }
        }
        checkpoint.advance()?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    checkpoint.finish()?;
    summary.refused.sort_by_key(|refusal| refusal.line);
    Ok(summary)
}

/// Recording the same claims again changes nothing, so a record whose answer was lost is sent again.
async fn send(client: &Client, record: &Record) -> Result<AssertionOutcome, tonic::Status> {
    let mut profiles = ProfileServiceClient::new(client.channel());
    let mut tries = 0;
    loop {
        match profiles.record_assertions(client.request(record.request.clone())).await {
            Ok(recorded) => return Ok(recorded.into_inner().outcome()),
            Err(status) if is_passing(&status) && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(250) * 2u32.saturating_pow(tries.min(5))).await;
            }
            Err(status) => return Err(status),
        }
    }
}

pub(super) fn read(rows: &Rows) -> Result<(Vec<Record>, Vec<Refusal>)> {
    let reader = Reader::new(rows)?;
    let (mut records, mut refused) = (Vec::with_capacity(rows.len()), Vec::new());
    for (line, fields) in rows.iter() {
        match reader.read(fields) {
            Ok(request) => records.push(Record { line, request }),
            Err(reason) => refused.push(Refusal { line, reason }),
        }
    }
    Ok((records, refused))
}

/// Reads rows by the mapping's columns.
struct Reader<'a> {
    rows: &'a Rows,
    times: Times,
    source: Option<usize>,
    customer: Option<usize>,
    name: Option<usize>,
    email: Option<usize>,
    phone: Option<usize>,
    address: Option<usize>,
    city: Option<usize>,
    postal_code: Option<usize>,
    birth_date: Option<usize>,
    loyalty_card: Option<usize>,
    time: Option<usize>,
    // The one source of a file without a column for it.
    only: Source,
}

impl<'a> Reader<'a> {
    fn new(rows: &'a Rows) -> Result<Self> {
        let (mapping, columns) = (&rows.mapping, &rows.mapping.columns);
        Ok(Self {
            rows,
            times: Times::of(&mapping.time)?,
            source: rows.column(&columns.source),
            customer: rows.column(&columns.customer),
            name: rows.column(&columns.name),
            email: rows.column(&columns.email),
            phone: rows.column(&columns.phone),
            address: rows.column(&columns.address),
            city: rows.column(&columns.city),
            postal_code: rows.column(&columns.postal_code),
            birth_date: rows.column(&columns.birth_date),
            loyalty_card: rows.column(&columns.loyalty_card),
            time: rows.column(&columns.time),
            only: Source { channel: mapping.channel.clone(), account: mapping.account.clone(), ..Source::default() },
        })
    }

    fn read(&self, fields: Fields<'_>) -> Result<RecordAssertionsRequest, String> {
        let columns = &self.rows.mapping.columns;
        let source = match self.source {
            None => &self.only,
            Some(_) => {
                let name = fields.get(self.source).trim();
                let known = &self.rows.mapping.sources;
                known.get(name).ok_or_else(|| {
                    let names: Vec<_> = known.keys().map(String::as_str).collect();
                    format!("{} {name:?} has no [sources] entry: {} have", columns.source, names.join(", "))
                })?
            }
        };
        let text = |column| fields.get(column).trim().to_owned();
        let list = |text: String| if text.is_empty() { Vec::new() } else { vec![text] };
        let customer = text(self.customer);
        let mut claims = Claims {
            name: text(self.name),
            emails: list(text(self.email)),
            phones: list(text(self.phone)),
            addresses: self.address(fields).into_iter().collect(),
            birth_date: text(self.birth_date),
            identifiers: Vec::new(),
        };
        let mut identify = |kind: IdentifierType, value: &str| {
            if !value.is_empty() {
                claims.identifiers.push(ClaimedIdentifier { r#type: kind.into(), value: value.to_owned() });
            }
        };
        identify(IdentifierType::LoyaltyCard, fields.get(self.loyalty_card).trim());
        if source.is_login(&customer) {
            identify(IdentifierType::Login, &customer);
        }
        let mut customer_ref = customer;
        if source.customer_is_phone {
            // People share and pass on phones: the number is a claim like any other, not the record's identity.
            let number = std::mem::take(&mut customer_ref);
            if claims.phones.is_empty() && !number.is_empty() {
                claims.phones.push(format!("+{}", number.trim_start_matches('+')));
            }
        }
        if claims == Claims::default() {
            return Err("it says nothing about a person: every mapped column is empty".to_owned());
        }
        Ok(RecordAssertionsRequest {
            channel: source.channel().into(),
            account_id: source.account.clone(),
            customer_ref,
            claims: Some(claims),
            occur_time: self.time(fields)?.map(Timestamp::to_proto),
            ..RecordAssertionsRequest::default()
        })
    }

    fn time(&self, fields: Fields<'_>) -> Result<Option<Timestamp>, String> {
        match fields.get(self.time).trim() {
            "" => Ok(None),
            text => self.times.read(&self.rows.mapping.columns.time, text).map(Some),
        }
    }

    fn address(&self, fields: Fields<'_>) -> Option<Address> {
        let text = |column| fields.get(column).trim().to_owned();
        let (line, city, postal_code) = (text(self.address), text(self.city), text(self.postal_code));
        let empty = line.is_empty() && city.is_empty() && postal_code.is_empty();
        (!empty).then(|| Address {
            lines: if line.is_empty() { Vec::new() } else { vec![line] },
            city,
            postal_code,
            ..Address::default()
        })
    }
}

impl Summary {
    fn count(&mut self, outcome: AssertionOutcome) {
        match outcome {
            AssertionOutcome::Created => self.created += 1,
            AssertionOutcome::Added => self.updated += 1,
            AssertionOutcome::Unchanged => self.unchanged += 1,
            AssertionOutcome::Suppressed | AssertionOutcome::Unspecified => self.suppressed += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use omnimesh_proto::common::v1::Channel;

    use super::*;

    const HEADER: &str =
        "channel,channel_customer_id,name,email,phone,address,city,postcode,birth_date,loyalty_id,order_time\n";

    fn read(csv: &str) -> (Vec<Record>, Vec<Refusal>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("records.csv");
        fs::write(&file, format!("{HEADER}{csv}")).unwrap();
        records(&Plan { file: file.clone(), mapping: None, checkpoints: file.with_extension("imports") }).unwrap()
    }

    #[test]
    fn rows_become_claims() {
        let (found, refused) = read(
            "web,W-1,Ada Yılmaz,ada@shop.example,0532 111 22 33,Bağdat Cad. 1,İstanbul,34710,1990-02-03,8012,2026-01-02T03:04:05Z\n\
             web,G-2,Ada,,,,,,,,\n\
             whatsapp,905321112233,A.,,,,,,,,\n\
             mp_a,77,,pf+1@mp-a.example,,,,,,,\n",
        );
        assert_eq!(refused, []);
        let request = |line: usize| &found[line].request;
        assert_eq!((found[0].line, request(0).channel()), (2, Channel::Web));
        assert_eq!(request(0).occur_time.as_ref().unwrap().seconds, 1_767_323_045);
        let claims = request(0).claims.as_ref().unwrap();
        let kinds: Vec<_> = claims.identifiers.iter().map(|one| (one.r#type(), one.value.as_str())).collect();
        assert_eq!(kinds, [(IdentifierType::LoyaltyCard, "8012"), (IdentifierType::Login, "W-1")]);
        assert_eq!(claims.addresses[0].lines, ["Bağdat Cad. 1"]);
        // A guest's order number is no login, and a shared phone is nobody's reference.
        assert_eq!(
            (request(1).customer_ref.as_str(), request(1).claims.as_ref().unwrap().identifiers.len()),
            ("G-2", 0)
        );
        assert_eq!((request(2).channel(), request(2).customer_ref.as_str()), (Channel::Chat, ""));
        assert_eq!(request(2).claims.as_ref().unwrap().phones, ["+905321112233"]);
        assert_eq!((request(3).channel(), request(3).account_id.as_str()), (Channel::Marketplace, "mp_a"));
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_line() {
        let (found, refused) = read(
            "fax,1,Ada,,,,,,,,\n\
             web,,,,,,,,,,\n\
             web,W-1,Ada,,,,,,,,yesterday\n",
        );
        assert_eq!(found, []);
        let lines: Vec<_> = refused.iter().map(|refusal| refusal.line).collect();
        assert_eq!(lines, [2, 3, 4]);
        for (refusal, part) in refused.iter().zip(["\"fax\"", "says nothing", "order_time \"yesterday\""]) {
            assert!(refusal.reason.contains(part), "{refusal:?}");
        }
    }
}
