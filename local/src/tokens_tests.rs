//! Which tokens get in.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use std::sync::LazyLock;

const ISSUER: &str = "https://issuer.local/a";

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
pub static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::open(FOLDER.path()).unwrap());

fn claims(changes: &Value) -> Value {
    let now = jsonwebtoken::get_current_timestamp();
    let mut claims = json!({"iss": ISSUER, "aud": "app", "sub": "ana", "exp": now + 100});
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn admits(token: &str) -> bool {
    SIGNER
        .verify(token, ISSUER, &["app".to_owned(), "web".to_owned()])
        .is_ok()
}

fn check(changes: &Value) -> bool {
    admits(&SIGNER.sign(&claims(changes)))
}

#[test]
fn claims_decide() {
    let now = jsonwebtoken::get_current_timestamp();
    let good = [
        json!({}),
        json!({"aud": ["other", "web"]}),
        json!({"aud": null, "client_id": "app"}),
        json!({"exp": now - 30}),
        json!({"nbf": now + 30, "iat": now + 30}),
    ];
    for changes in good {
        assert!(check(&changes), "{changes}");
    }
    let bad = [
        json!({"iss": "https://issuer.local/b"}),
        json!({"iss": [ISSUER]}),
        json!({"iss": null}),
        json!({"aud": "other"}),
        json!({"aud": "other", "client_id": "app"}),
        json!({"aud": null}),
        json!({"exp": now - 90}),
        json!({"exp": null}),
        json!({"nbf": now + 90}),
        json!({"iat": now + 90}),
        json!({"iat": "soon"}),
    ];
    for changes in bad {
        assert!(!check(&changes), "{changes}");
    }
}

#[test]
fn all_three_rsa_algorithms_get_in_and_nothing_else() {
    let signed = |algorithm, kid: Option<&str>| {
        let mut header = Header::new(algorithm);
        header.kid = kid.map(str::to_owned);
        jsonwebtoken::encode(&header, &claims(&json!({})), &SIGNER.encoding).unwrap()
    };
    for algorithm in ALGORITHMS {
        assert!(admits(&signed(algorithm, Some(KEY_ID))), "{algorithm:?}");
    }
    assert!(!admits(&signed(Algorithm::RS256, Some("other"))));
    assert!(!admits(&signed(Algorithm::RS256, None)));

    let token = SIGNER.sign(&claims(&json!({})));
    let (message, signature) = token.rsplit_once('.').unwrap();
    let payload = message.split_once('.').unwrap().1;
    for algorithm in ["none", "None", "HS256", "PS256", "ES256"] {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": algorithm, "kid": KEY_ID}).to_string());
        assert!(!admits(&format!("{header}.{payload}.")), "{algorithm}");
        assert!(
            !admits(&format!("{header}.{payload}.{signature}")),
            "{algorithm}"
        );
    }
}

#[test]
fn what_is_altered_or_not_a_token_stays_out() {
    let token = SIGNER.sign(&claims(&json!({})));
    let parts: Vec<_> = token.split('.').collect();
    let other = URL_SAFE_NO_PAD.encode(claims(&json!({"sub": "bo"})).to_string());
    assert!(!admits(&[parts[0], &other, parts[2]].join(".")));
    for text in [
        "",
        ".",
        "..",
        "a.b.c",
        parts[0],
        &token[..token.len() - 4],
        &format!("{token}.x"),
    ] {
        assert!(!admits(text), "{text}");
    }
}

#[test]
fn the_key_stays_and_is_its_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let again = Signer::open(FOLDER.path()).unwrap();
    assert_eq!(again.sign(&json!({})), SIGNER.sign(&json!({})));
    let mode = std::fs::metadata(FOLDER.path().join(KEY_FILE))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}
