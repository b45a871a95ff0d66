//! HTTP APIs of `postern.yaml`: where the document and the API are, and what of it is chosen.

use super::{
    check::{Ground, web_url},
    form::OpenApiForm,
    servers::{headers, place, values},
    settings::{OpenApi, Transport},
};
use crate::{
    domain::{Findings, ServerName},
    upstream::{Choice, Source, check_document},
};

/// Checks an API, and its document where that is a file.
pub(super) fn check(
    form: &OpenApiForm,
    (name, allow_private): (&str, bool),
    path: &str,
    ground: &Ground<'_>,
    findings: &mut Findings,
) -> Transport {
    if let Some(url) = &form.url {
        let at = format!("{path}/url");
        place(url, allow_private, &at, (ground, &mut *findings));
        if url.contains('?') {
            ground.find(findings, &at, "must not hold a query; use `query` for what every request carries");
        }
    }
    let headers = headers(&form.headers, &format!("{path}/headers"), ground, findings);
    let query = values(&form.query, &format!("{path}/query"), ground, findings);
    let include = form.include.clone().unwrap_or_default();
    if form.include.is_some() && include.operations.is_empty() && include.tags.is_empty() {
        let message = "names nothing; leave it out to offer every operation";
        ground.find(findings, &format!("{path}/include"), message);
    }
    let choice = Choice {
        operations: include.operations,
        tags: include.tags,
        own_headers: headers.keys().cloned().collect(),
        own_query: query.keys().cloned().collect(),
        placed: form.url.is_some(),
    };
    let at = format!("{path}/document");
    let mut left_out = Findings::default();
    let document = match web_url(&form.document) {
        Ok(url) => {
            place(&form.document, allow_private, &at, (ground, &mut *findings));
            Source::Url(url)
        }
        Err(message) if form.document.contains("://") => {
            ground.find(findings, &at, message);
            Source::File(form.document.clone().into())
        }
        Err(_) => {
            let file = ground.path(&form.document);
            if !file.is_file() {
                let message = format!("`{}` is not a file; create it or correct the path", file.display());
                ground.find(findings, &at, message);
            } else if let Ok(server) = name.parse::<ServerName>() {
                match check_document(&server, &file, &choice) {
                    Ok(found) => left_out = found,
                    Err(found) => findings.extend(found),
                }
            }
            Source::File(file)
        }
    };
    Transport::OpenApi(OpenApi {
        document,
        url: form.url.clone(),
        choice,
        headers,
        query,
        response: form.response_kib.unwrap_or(1_024) << 10,
        encoded_slashes: form.encoded_slashes,
        left_out,
    })
}
