//! `omnimesh profile`: customers of a running mesh, for those who keep their profiles in order.

use std::io::Write;

use anyhow::{Context as _, Result, bail};
use omnimesh_kit::{clock::Clock, ids::ProfileId, ids::uuid_v7};
use omnimesh_proto::{
    DESCRIPTORS,
    profiles::v1::{
        AcceptMergeSuggestionRequest, EvidenceKind, EvidenceTerm, GetProfileRequest, Identifier,
        ListMergeSuggestionsRequest, Merge, MergeProfilesRequest, MergeSuggestion, Profile,
        RejectMergeSuggestionRequest, SearchProfilesRequest, SplitProfileRequest,
        profile_service_client::ProfileServiceClient,
    },
};
use tonic::transport::Channel;

use crate::{cli::ProfileCommand, client::Client};

/// Runs `omnimesh profile …`.
///
/// # Errors
/// If the mesh does not answer or refuses.
pub async fn profile(command: ProfileCommand, out: &mut impl Write) -> Result<()> {
    match command {
        ProfileCommand::Show { client, query, json } => {
            show(&Client::connect(&client).await?, &query.join(" "), json, out).await
        }
        ProfileCommand::Merge { client, profile_id, other_profile_id, reason, override_veto } => {
            let request =
                MergeProfilesRequest { profile_id, other_profile_id, reason, override_veto, request_id: request_id() };
            let client = Client::connect(&client).await?;
            let merged = profiles(&client).merge_profiles(client.request(request)).await?.into_inner();
            match merged.merge_id.as_str() {
                "" => writeln!(out, "they were one customer already")?,
                id => writeln!(out, "merged by {id}: `omnimesh profile split` takes it back")?,
            }
            text(&merged.profile.unwrap_or_default(), out)
        }
        ProfileCommand::Split { client, profile_id, leaving, merge, reason } => {
            let request = SplitProfileRequest {
                profile_id,
                leaving_profile_ids: leaving,
                merge_id: merge.unwrap_or_default(),
                reason,
                request_id: request_id(),
            };
            let client = Client::connect(&client).await?;
            let split = profiles(&client).split_profile(client.request(request)).await?.into_inner();
            text(&split.profile.unwrap_or_default(), out)?;
            for left in &split.split_profiles {
                writeln!(out)?;
                text(left, out)?;
            }
            Ok(())
        }
        ProfileCommand::Suggestions { client, profile, limit, accept, reject } => {
            let client = Client::connect(&client).await?;
            match (accept, reject) {
                (Some(suggestion_id), _) => {
                    let request =
                        AcceptMergeSuggestionRequest { suggestion_id, override_veto: false, request_id: request_id() };
                    let accepted = profiles(&client).accept_merge_suggestion(client.request(request)).await?;
                    text(&accepted.into_inner().profile.unwrap_or_default(), out)
                }
                (None, Some(suggestion_id)) => {
                    let request =
                        RejectMergeSuggestionRequest { suggestion_id, reason: String::new(), request_id: request_id() };
                    profiles(&client).reject_merge_suggestion(client.request(request)).await?;
                    writeln!(out, "they are kept apart for ever")?;
                    Ok(())
                }
                (None, None) => suggestions(&client, profile, limit, out).await,
            }
        }
    }
}

fn profiles(client: &Client) -> ProfileServiceClient<Channel> {
    ProfileServiceClient::new(client.channel())
}

fn request_id() -> String {
    uuid_v7(Clock::System.now()).to_string()
}

async fn show(client: &Client, query: &str, json: bool, out: &mut impl Write) -> Result<()> {
    let found = if query.parse::<ProfileId>().is_ok() {
        let request = GetProfileRequest { profile_id: query.to_owned() };
        profiles(client).get_profile(client.request(request)).await?.into_inner().profile.into_iter().collect()
    } else {
        let request = SearchProfilesRequest { query: query.to_owned(), ..SearchProfilesRequest::default() };
        let found = profiles(client).search_profiles(client.request(request)).await?.into_inner();
        found.matches.into_iter().filter_map(|found| found.profile).collect::<Vec<_>>()
    };
    if found.is_empty() {
        bail!("nobody is known by that: try part of a name, a phone, an e-mail address, a card or an order number");
    }
    for (index, profile) in found.iter().enumerate() {
        if json {
            writeln!(out, "{}", to_json(profile)?)?;
        } else {
            if index > 0 {
                writeln!(out)?;
            }
            text(profile, out)?;
        }
    }
    Ok(())
}

fn to_json(profile: &Profile) -> Result<String> {
    let pool = prost_reflect::DescriptorPool::decode(DESCRIPTORS)?;
    let descriptor = pool.get_message_by_name("omnimesh.profiles.v1.Profile").context("the contract lacks Profile")?;
    let mut message = prost_reflect::DynamicMessage::new(descriptor);
    message.transcode_from(profile)?;
    Ok(serde_json::to_string(&message)?)
}

async fn suggestions(client: &Client, profile_id: String, limit: u16, out: &mut impl Write) -> Result<()> {
    let limit = usize::from(limit);
    let mut request =
        ListMergeSuggestionsRequest { profile_id, page_size: 100, ..ListMergeSuggestionsRequest::default() };
    let mut listed = 0;
    while listed < limit {
        let page = profiles(client).list_merge_suggestions(client.request(request.clone())).await?.into_inner();
        for suggestion in page.suggestions.iter().take(limit - listed) {
            suggested(suggestion, out)?;
            listed += 1;
        }
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    if listed == 0 {
        writeln!(out, "no open suggestions")?;
    } else {
        writeln!(out, "--accept or --reject with a suggestion's id decides it")?;
    }
    Ok(())
}

fn suggested(suggestion: &MergeSuggestion, out: &mut impl Write) -> Result<()> {
    let veto = if suggestion.vetoed { ", vetoed: they hold different cards or the like" } else { "" };
    writeln!(out, "{}  {} bits{veto}", suggestion.suggestion_id, bits(suggestion.weight_millibits))?;
    for profile in [&suggestion.profile, &suggestion.other_profile].into_iter().flatten() {
        writeln!(out, "  {}  {}", profile.profile_id, profile.display_name)?;
    }
    terms(&suggestion.terms, out)
}

fn text(profile: &Profile, out: &mut impl Write) -> Result<()> {
    writeln!(out, "{}  {}", profile.profile_id, profile.display_name)?;
    for alias in &profile.alias_profile_ids {
        writeln!(out, "  also {alias}")?;
    }
    if !profile.birth_date.is_empty() {
        writeln!(out, "  born {}", profile.birth_date)?;
    }
    for identifier in &profile.identifiers {
        known_by(identifier, out)?;
    }
    for address in &profile.addresses {
        let place = [address.lines.join(", "), address.postal_code.clone(), address.city.clone()];
        let place: Vec<_> = place.into_iter().filter(|part| !part.is_empty()).collect();
        writeln!(out, "  lives at {}", place.join(", "))?;
    }
    for merge in &profile.merges {
        merged(merge, out)?;
    }
    for split in &profile.splits {
        let (left, stayed) = (split.left_profile_ids.join(" "), split.stayed_profile_ids.join(" "));
        let why = if split.reason.is_empty() { String::new() } else { format!(": {}", split.reason) };
        writeln!(out, "  {}  {left} left {stayed}{why}", split.split_id)?;
    }
    Ok(())
}

fn known_by(identifier: &Identifier, out: &mut impl Write) -> Result<()> {
    let name = |text: &str, prefix: &str| text.trim_start_matches(prefix).to_lowercase().replace('_', " ");
    let kind = name(identifier.r#type().as_str_name(), "IDENTIFIER_TYPE_");
    let strength = name(identifier.strength().as_str_name(), "IDENTIFIER_STRENGTH_");
    writeln!(out, "  {kind:<13} {:<32} {strength}", identifier.value)?;
    Ok(())
}

fn merged(merge: &Merge, out: &mut impl Write) -> Result<()> {
    let kind = merge.kind().as_str_name().trim_start_matches("MERGE_KIND_").to_lowercase();
    let why = if merge.reason.is_empty() { String::new() } else { format!(": {}", merge.reason) };
    writeln!(out, "  {}  {} = {} by {kind}{why}", merge.merge_id, merge.profile_id, merge.other_profile_id)?;
    terms(&merge.terms, out)
}

fn terms(terms: &[EvidenceTerm], out: &mut impl Write) -> Result<()> {
    for term in terms {
        let kind = match term.kind() {
            // What speaks against any two records, before they are compared.
            EvidenceKind::Unspecified => "prior".to_owned(),
            kind => kind.as_str_name().trim_start_matches("EVIDENCE_KIND_").to_lowercase().replace('_', " "),
        };
        writeln!(out, "    {:>7}  {kind}: {}", bits(term.weight_millibits), term.agreement)?;
    }
    Ok(())
}

/// Thousandths of a bit as bits with one decimal and the sign.
fn bits(millibits: i64) -> String {
    let tenths = millibits.saturating_add(millibits.signum() * 50) / 100;
    let sign = if tenths < 0 { '-' } else { '+' };
    format!("{sign}{}.{}", tenths.abs() / 10, tenths.abs() % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_have_a_sign_and_one_decimal() {
        for (millibits, text) in [(0, "+0.0"), (12_340, "+12.3"), (-12_360, "-12.4"), (-40, "+0.0"), (950, "+1.0")] {
            assert_eq!(bits(millibits), text);
        }
    }
}
