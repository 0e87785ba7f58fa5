//! Requests of AWS, signed: for the few calls that are not worth an SDK crate.

use std::time::Duration;

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;
use jiff::Timestamp;

use crate::clock::pause;
use crate::error::{Error, Result, Source};
use crate::outgoing::{Outgoing, Request, Response};

/// One attempt of a call.
const ATTEMPT: Duration = Duration::from_secs(3);
const ATTEMPTS: u32 = 3;

/// One call of a service.
pub struct Call<'c> {
    /// The service's name in the signature.
    pub service: &'static str,
    /// Its region.
    pub region: &'c str,
    /// `POST`, `GET`.
    pub method: &'static str,
    /// Where to, with its query.
    pub url: &'c str,
    /// The headers that say what it is, names in lower case: all but those of the signature.
    pub headers: &'c [(&'static str, &'c str)],
    /// The body.
    pub body: &'c str,
}

/// Who makes calls, over which connections.
pub struct Caller {
    /// The connections.
    pub outgoing: Outgoing,
    /// Who signs.
    pub identity: Identity,
    /// Who is asked, for errors.
    pub what: &'static str,
}

impl Caller {
    /// Makes a call that is signed as of `now`, and again while `read` finds in its answer that the service is
    /// unavailable: three times at most.
    pub async fn call<T>(
        &self,
        call: &Call<'_>,
        now: Timestamp,
        read: impl Fn(&Response) -> Result<T>,
    ) -> Result<T> {
        let what = self.what;
        let mut attempt = 1;
        loop {
            let headers = headers(call, &self.identity, now);
            let request = Request {
                method: call.method,
                url: call.url,
                headers: headers.map_err(|source| Error::Internal { what, source })?,
                body: call.body.to_owned(),
            };
            let answer = self.outgoing.send(request, what, ATTEMPT).await;
            match answer.and_then(|answer| read(&answer)) {
                Err(Error::Unavailable { .. }) if attempt < ATTEMPTS => {}
                outcome => return outcome,
            }
            pause(attempt).await;
            attempt += 1;
        }
    }
}

/// The headers of the call, with its signature as of `now`.
fn headers(
    call: &Call,
    identity: &Identity,
    now: Timestamp,
) -> Result<Vec<(String, String)>, Source> {
    let plain = call.headers.iter().copied();
    let params = SigningParams::builder()
        .identity(identity)
        .region(call.region)
        .name(call.service)
        .time(now.into())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let body = SignableBody::Bytes(call.body.as_bytes());
    let request = SignableRequest::new(call.method, call.url, plain.clone(), body)?;
    let (signed, _) = sign(request, &params)?.into_parts();
    let all = plain.chain(signed.headers());
    Ok(all
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}
