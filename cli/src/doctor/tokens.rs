//! Tokens: each is shown to the API; if it is refused, the token itself tells why.

use super::api::{Keys, Routes, Trust, get, texts};
use super::deployment::Deployment;
use super::report::{Fault, Found};
use super::trial::USER;
use crate::options::Doctor;
use crate::product::{Holder, claims};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;
use std::path::PathBuf;

/// What the API's keys may have signed with.
const ALGORITHMS: [&str; 3] = ["RS256", "RS384", "RS512"];

/// A token, and where it is shown.
struct Shown {
    /// Whose it is.
    who: &'static str,
    /// The route, as API Gateway names it.
    route: &'static str,
    /// A path of that route.
    path: &'static str,
    /// What the parameters of its authorizer begin with.
    parameters: &'static str,
}

const SHOWN: [Shown; 3] = [
    Shown {
        who: "user",
        route: "GET /v1/me/notifications/counts",
        path: "/v1/me/notifications/counts",
        parameters: "User",
    },
    // A job that nobody has.
    Shown {
        who: "producer",
        route: "GET /v1/jobs/{job}",
        path: "/v1/jobs/00000000000000000000000000",
        parameters: "Producer",
    },
    Shown {
        who: "admin",
        route: "GET /v1/pushes/dead",
        path: "/v1/pushes/dead?day=2026-01-01",
        parameters: "Producer",
    },
];

/// Shows the API each token there is.
pub async fn check(stack: &Deployment, options: &Doctor, routes: &Routes, keys: &Keys) -> Found {
    let (mut faults, mut accepted) = (Vec::new(), Vec::new());
    for shown in &SHOWN {
        let Some(trust) = routes.get(shown.route) else {
            continue;
        };
        let token = match token(stack, options, shown.who) {
            None => continue,
            Some(Ok(token)) => token,
            Some(Err(fault)) => {
                faults.push(fault);
                continue;
            }
        };
        match present(stack, shown, trust, keys, &token).await {
            Ok(()) => accepted.push(shown.who),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() && accepted.is_empty() {
        let why = "no token was given; --user-token, --producer-token and --admin-token name files with one";
        return Found::Skip(why.to_owned());
    }
    Found::of(
        faults,
        format!("the API takes the tokens: {}", accepted.join(", ")),
    )
}

/// The token of this kind, if there is one.
fn token(stack: &Deployment, options: &Doctor, who: &str) -> Option<Result<String, Fault>> {
    let (file, holder): (&Option<PathBuf>, _) = match who {
        "user" => (&options.user_token, Holder::User(USER)),
        "producer" => (&options.producer_token, Holder::Producer(USER)),
        _ => (&options.admin_token, Holder::Admin(USER)),
    };
    if let Some(file) = file {
        let read = std::fs::read_to_string(file);
        return Some(match read {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => Err(Fault::new(
                format!("{}: {error}", file.display()),
                format!("put a token into the file that --{who}-token names"),
            )),
        });
    }
    let signer = stack.signer.as_ref()?;
    Some(Ok(signer.sign(&claims(&holder))))
}

async fn present(
    stack: &Deployment,
    shown: &Shown,
    trust: &Trust,
    keys: &Keys,
    token: &str,
) -> Result<(), Fault> {
    let who = shown.who;
    let header = ("authorization".to_owned(), format!("Bearer {token}"));
    let url = format!("{}{}", stack.api_url, shown.path);
    let answer = get(&url, vec![header]).await.map_err(|why| {
        let mend = "see the check of the API above";
        Fault::new(format!("{} could not be asked ({why})", shown.route), mend)
    })?;
    match answer.status {
        401 => {
            let pool = shown.parameters == "Producer" && stack.says("TokenIssuer", "cognito");
            Err(refused(shown, trust, keys, token, pool))
        }
        403 => {
            let has = Token::read(token).map(|token| token.scopes());
            let has = has.unwrap_or_default().join(" ");
            let needs = trust.scopes.join(" or ");
            Err(Fault::new(
                format!("the {who} token lacks the scope {needs}; it has \"{has}\""),
                format!("have the issuer grant {needs} to whom the token is for"),
            ))
        }
        500.. => Err(Fault::new(
            format!(
                "{} answers {} to the {who} token",
                shown.route, answer.status
            ),
            "read the log of the function behind it, and what the other checks say of the table",
        )),
        _ => Ok(()),
    }
}

/// The parts of a token.
struct Token {
    header: Value,
    claims: Value,
}

impl Token {
    /// Reads a token, whoever signed it; `None` if it is not a JWT.
    fn read(token: &str) -> Option<Token> {
        let part = |text: &str| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
            let value: Value = serde_json::from_slice(&bytes).ok()?;
            value.is_object().then_some(value)
        };
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, _] = parts[..] else {
            return None;
        };
        Some(Token {
            header: part(header)?,
            claims: part(claims)?,
        })
    }

    fn text(&self, name: &str) -> &str {
        self.claims[name].as_str().unwrap_or_default()
    }

    /// `scope` is a text with spaces, `scp` one or a list.
    fn scopes(&self) -> Vec<String> {
        let scope = texts(&self.claims["scope"]).into_iter();
        let all = scope.chain(texts(&self.claims["scp"]));
        all.flat_map(|text| text.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    /// `aud`, or for Cognito's access tokens `client_id`.
    fn audiences(&self) -> Vec<String> {
        let named = texts(&self.claims["aud"]);
        if named.is_empty() {
            texts(&self.claims["client_id"])
        } else {
            named
        }
    }
}

/// Why the API refuses a token, which API Gateway does not tell; `pool` says that the stack issues such tokens itself.
fn refused(shown: &Shown, trust: &Trust, keys: &Keys, token: &str, pool: bool) -> Fault {
    let (who, parameters) = (shown.who, shown.parameters);
    let own = "fetch one of the stack's own pool: at its output TokenEndpoint, with its ProducerClientId or AdminClientId";
    let mend = |text: String| if pool { own.to_owned() } else { text };
    let Some(token) = Token::read(token) else {
        return Fault::new(
            format!("the {who} token is not a JWT"),
            "ask the issuer for an access token for the API's audience; many issue opaque ones without",
        );
    };
    let algorithm = token.header["alg"].as_str().unwrap_or_default();
    if !ALGORITHMS.contains(&algorithm) {
        return Fault::new(
            format!("the {who} token is signed with {algorithm}, and API Gateway takes RSA alone"),
            "have the issuer sign with RS256",
        );
    }
    let issuer = token.text("iss");
    if issuer != trust.issuer {
        return Fault::new(
            format!(
                "the {who} token is of the issuer {issuer}, and the API trusts {}",
                trust.issuer
            ),
            mend(format!(
                "deploy with {parameters}Issuer={issuer}, to the last slash, or take a token of the other"
            )),
        );
    }
    let audiences = token.audiences();
    if !audiences.iter().any(|own| trust.audiences.contains(own)) {
        let (own, other) = (audiences.join(","), trust.audiences.join(","));
        return Fault::new(
            format!("the {who} token is for the audience {own}, and the API takes {other}"),
            mend(format!(
                "deploy with {parameters}Audiences={other},{own}, or ask the issuer for a token for {other}"
            )),
        );
    }
    doubtful(who, keys, &token)
}

/// Why a token is refused that is of the right issuer and for the right audience.
fn doubtful(who: &str, keys: &Keys, token: &Token) -> Fault {
    let now = Timestamp::now().as_second();
    let time = |name: &str| token.claims[name].as_f64().map(whole);
    if time("exp").is_none_or(|end| end <= now) {
        let end = time("exp").and_then(|end| Timestamp::from_second(end).ok());
        let end = end.map_or_else(|| "it does not say when".to_owned(), |end| end.to_string());
        return Fault::new(
            format!("the {who} token has expired ({end})"),
            "take a fresh one; if it is fresh, set this machine's clock",
        );
    }
    if ["nbf", "iat"]
        .iter()
        .any(|name| time(name).is_some_and(|begin| begin > now + 1))
    {
        return Fault::new(
            format!("the {who} token is not valid yet"),
            "set the clocks of this machine and of the issuer",
        );
    }
    let kid = token.header["kid"].as_str().unwrap_or_default();
    if keys
        .get(token.text("iss"))
        .is_some_and(|ids| !ids.iter().any(|id| id == kid))
    {
        return Fault::new(
            format!(
                "the {who} token is signed with the key \"{kid}\", which its issuer does not list"
            ),
            "take a fresh one; if that has it too, the issuer's key document is stale",
        );
    }
    Fault::new(
        format!("the API refuses the {who} token, and its claims are right"),
        "look at its signature: it may be of another key of the same name, or changed on its way",
    )
}

/// Seconds without their part.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a moment beyond is as good as the last"
)]
fn whole(seconds: f64) -> i64 {
    seconds as i64
}
