//! The HTTP API: its authorizers and what browsers may do.

use super::properties::Properties;
use super::resources::ApiDraft;
use super::{ApiSpec, Authorizer, Cors, Throttling};
use crate::error::Result;
use std::collections::BTreeMap;

/// The most requests a second, and at once, that a limit can say.
const MOST: i64 = 1_000_000;

/// Reads an `AWS::Serverless::HttpApi`.
pub fn read(id: &str, mut properties: Properties) -> Result<ApiDraft> {
    let cors = if properties.has("CorsConfiguration") {
        Some(cors(properties.inner("CorsConfiguration")?)?)
    } else {
        None
    };
    let throttling = throttling(properties.inner("DefaultRouteSettings")?)?;
    let mut auth = properties.inner("Auth")?;
    let default_authorizer = auth.text("DefaultAuthorizer")?;
    let mut authorizers = BTreeMap::new();
    for (name, authorizer) in auth.inner("Authorizers")?.entries() {
        authorizers.insert(name, read_authorizer(authorizer)?);
    }
    auth.finish()?;
    properties.ignore(&["Description", "FailOnWarnings", "Name", "Tags"]);
    properties.finish()?;
    let spec = ApiSpec {
        logical_id: id.to_owned(),
        routes: Vec::new(),
        cors,
        throttling,
    };
    Ok(ApiDraft {
        spec,
        authorizers,
        default_authorizer,
    })
}

/// Both limits or none, each at least 1.
fn throttling(mut properties: Properties) -> Result<Option<Throttling>> {
    let rate = properties.within("ThrottlingRateLimit", 1..=MOST)?;
    let burst = properties.within("ThrottlingBurstLimit", 1..=MOST)?;
    let throttling = match (rate, burst) {
        (None, None) => None,
        (Some(rate), Some(burst)) => Some(Throttling {
            rate: number(rate),
            burst: number(burst),
        }),
        _ => {
            let both = "ThrottlingBurstLimit and ThrottlingRateLimit must both be there";
            return Err(properties.error("ThrottlingRateLimit", both));
        }
    };
    properties.finish()?;
    Ok(throttling)
}

fn number(number: i64) -> f64 {
    i32::try_from(number).map_or(f64::MAX, f64::from)
}

fn cors(mut properties: Properties) -> Result<Cors> {
    let cors = Cors {
        origins: properties.texts("AllowOrigins")?,
        methods: properties.texts("AllowMethods")?,
        headers: properties.texts("AllowHeaders")?,
        expose: properties.texts("ExposeHeaders")?,
        max_age: properties
            .number("MaxAge")?
            .map(u64::try_from)
            .transpose()
            .map_err(|_| properties.error("MaxAge", "must be seconds"))?,
        credentials: properties.flag("AllowCredentials")?,
    };
    properties.finish()?;
    Ok(cors)
}

fn read_authorizer(mut properties: Properties) -> Result<Authorizer> {
    let source = properties.required("IdentitySource")?;
    let header = source
        .strip_prefix("$request.header.")
        .ok_or_else(|| {
            properties.error(
                "IdentitySource",
                "only $request.header.NAME is supported by the local stack",
            )
        })?
        .to_ascii_lowercase();
    let mut jwt = properties.inner("JwtConfiguration")?;
    let issuer = jwt.required("issuer")?;
    let audiences = jwt.texts("audience")?;
    if audiences.is_empty() {
        return Err(jwt.error("audience", "must name one at least"));
    }
    jwt.finish()?;
    let scopes = properties.texts("AuthorizationScopes")?;
    properties.finish()?;
    Ok(Authorizer {
        header,
        issuer,
        audiences,
        scopes,
    })
}
