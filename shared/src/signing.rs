//! Requests of AWS's JSON protocols, signed: for the few calls that are not worth an SDK crate.

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;
use jiff::Timestamp;

use crate::error::Source;

/// One call of a service.
pub struct Call<'c> {
    /// The service's name in the signature.
    pub service: &'static str,
    /// Its region.
    pub region: &'c str,
    /// The operation, as `X-Amz-Target` names it.
    pub target: &'static str,
    /// `application/x-amz-json-1.0` or `-1.1`.
    pub content_type: &'static str,
    /// Where to.
    pub url: &'c str,
    /// The body.
    pub body: &'c str,
}

/// The headers of the call, with its signature as of `now`.
pub fn headers(
    call: &Call,
    identity: &Identity,
    now: Timestamp,
) -> Result<Vec<(String, String)>, Source> {
    let plain = [
        ("content-type", call.content_type),
        ("x-amz-target", call.target),
    ];
    let params = SigningParams::builder()
        .identity(identity)
        .region(call.region)
        .name(call.service)
        .time(now.into())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let body = SignableBody::Bytes(call.body.as_bytes());
    let request = SignableRequest::new("POST", call.url, plain.into_iter(), body)?;
    let (signed, _) = sign(request, &params)?.into_parts();
    let all = plain.into_iter().chain(signed.headers());
    Ok(all
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}
