//! The stack's own token issuer: an RSA key kept in the data folder, what it signs, and the check an authorizer makes.

use crate::error::{Error, Result};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result as JwtResult};
use jsonwebtoken::signature::{Error as SignatureError, Signer as Sign, Verifier as Verify};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey, Header, Validation};
use ring::rand::SystemRandom;
use ring::signature::{self, RsaKeyPair, RsaPublicKeyComponents};
use rsa::RsaPrivateKey;
use rsa::pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey, LineEnding};
use rsa::traits::PublicKeyParts;
use serde_json::{Map, Value};
use std::io::{ErrorKind as Io, Write};
use std::path::Path;

/// The key's file in the data folder.
const KEY_FILE: &str = "token-key.pem";
/// The key's id: a token must name it in its `kid` header, as API Gateway asks.
const KEY_ID: &str = "local";
const KEY_BITS: usize = 2048;
/// How far clocks may be apart, in seconds; API Gateway allows as much.
const LEEWAY: u64 = 60;
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512];

/// Signs and verifies tokens with the data folder's key.
#[derive(Clone)]
pub struct Signer {
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Signer {
    /// Reads the key in `dir`, or makes it, readable by its owner only.
    pub fn open(dir: &Path) -> Result<Self> {
        // The only error says that a provider is installed, and nobody installs another one.
        PROVIDER.install_default().ok();
        let path = dir.join(KEY_FILE);
        let pem = match std::fs::read_to_string(&path) {
            Ok(pem) => pem,
            Err(error) if error.kind() == Io::NotFound => make_key(dir, &path)?,
            Err(error) => return Err(Error::new(format!("{}: {error}", path.display()))),
        };
        let key = RsaPrivateKey::from_pkcs1_pem(&pem)
            .map_err(|error| Error::new(format!("{}: {error}", path.display())))?;
        let der = key
            .to_pkcs1_der()
            .map_err(|error| Error::new(format!("the token key: {error}")))?;
        let (modulus, exponent) = (key.n().to_bytes_be(), key.e().to_bytes_be());
        Ok(Self {
            encoding: EncodingKey::from_rsa_der(der.as_bytes()),
            decoding: DecodingKey::from_rsa_raw_components(&modulus, &exponent),
        })
    }

    /// A token with exactly these claims.
    ///
    /// # Panics
    /// Never: JSON can be written, and the key was read.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(KEY_ID.to_owned());
        jsonwebtoken::encode(&header, claims, &self.encoding)
            .expect("JSON and a valid key always sign")
    }

    /// The claims of a token that an authorizer with this issuer and these audiences lets in, or why it does not.
    pub fn verify(
        &self,
        token: &str,
        issuer: &str,
        audiences: &[String],
    ) -> std::result::Result<Map<String, Value>, &'static str> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.algorithms = ALGORITHMS.to_vec();
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.validate_aud = false; // below, since `client_id` may stand in for it
        let decoded =
            jsonwebtoken::decode::<Map<String, Value>>(token, &self.decoding, &validation)
                .map_err(|error| reason(error.kind()))?;
        if decoded.header.kid.as_deref() != Some(KEY_ID) {
            return Err("unable to find a key that matches the token");
        }
        let claims = decoded.claims;
        if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
            return Err("invalid issuer");
        }
        if !names_audience(&claims, audiences) {
            return Err("invalid audience");
        }
        let now = jsonwebtoken::get_current_timestamp();
        match claims.get("iat").map(Value::as_f64) {
            Some(None) => Err("invalid issue time"),
            #[expect(
                clippy::cast_precision_loss,
                reason = "seconds since 1970 are far below 2^52"
            )]
            Some(Some(second)) if second > (now + LEEWAY) as f64 => {
                Err("the token is used before it was issued")
            }
            _ => Ok(claims),
        }
    }
}

/// API Gateway looks at `client_id` only if there is no `aud`.
fn names_audience(claims: &Map<String, Value>, audiences: &[String]) -> bool {
    let wanted = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| audiences.iter().any(|each| each == text))
    };
    match claims.get("aud") {
        Some(Value::Array(several)) => several.iter().any(wanted),
        Some(one) => wanted(one),
        None => claims.get("client_id").is_some_and(wanted),
    }
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidSignature => "the signature is invalid",
        ErrorKind::InvalidAlgorithm => "the signing method is invalid",
        ErrorKind::MissingRequiredClaim(_) => "a required claim is missing",
        _ => "the token is malformed",
    }
}

/// Whoever links the finished file first wins, so that two processes that start together agree on the key.
fn make_key(dir: &Path, path: &Path) -> Result<String> {
    let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, KEY_BITS)
        .map_err(|error| Error::new(format!("the token key: {error}")))?;
    let pem = key
        .to_pkcs1_pem(LineEnding::LF)
        .map_err(|error| Error::new(format!("the token key: {error}")))?;
    // A temporary file is readable by its owner only.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(pem.as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(pem.to_string()),
        Err(error) if error.error.kind() == Io::AlreadyExists => Ok(std::fs::read_to_string(path)?),
        Err(error) => Err(error.error.into()),
    }
}

/// RS256, RS384 and RS512 on `ring`, which is fast in a debug build too and makes no keys: all that an HTTP API accepts.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| {
        Ok(Box::new(Rsa {
            algorithm: rsa_only(*algorithm)?,
            key: key.clone(),
        }))
    },
    verifier_factory: |algorithm, key| {
        Ok(Box::new(Rsa {
            algorithm: rsa_only(*algorithm)?,
            key: key.clone(),
        }))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

struct Rsa<K> {
    algorithm: Algorithm,
    key: K,
}

fn rsa_only(algorithm: Algorithm) -> JwtResult<Algorithm> {
    ALGORITHMS
        .contains(&algorithm)
        .then_some(algorithm)
        .ok_or_else(|| ErrorKind::InvalidAlgorithm.into())
}

impl Sign<Vec<u8>> for Rsa<EncodingKey> {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, SignatureError> {
        let padding: &dyn signature::RsaEncoding = match self.algorithm {
            Algorithm::RS384 => &signature::RSA_PKCS1_SHA384,
            Algorithm::RS512 => &signature::RSA_PKCS1_SHA512,
            _ => &signature::RSA_PKCS1_SHA256,
        };
        let key = RsaKeyPair::from_der(self.key.as_bytes()).map_err(SignatureError::from_source)?;
        let mut signed = vec![0; key.public().modulus_len()];
        key.sign(padding, &SystemRandom::new(), message, &mut signed)
            .map_err(SignatureError::from_source)?;
        Ok(signed)
    }
}

impl Verify<Vec<u8>> for Rsa<DecodingKey> {
    fn verify(
        &self,
        message: &[u8],
        signature: &Vec<u8>,
    ) -> std::result::Result<(), SignatureError> {
        let DecodingKeyKind::RsaModulusExponent { n, e } = self.key.kind() else {
            return Err(SignatureError::new());
        };
        let padding = match self.algorithm {
            Algorithm::RS384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Algorithm::RS512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            _ => &signature::RSA_PKCS1_2048_8192_SHA256,
        };
        RsaPublicKeyComponents { n, e }
            .verify(padding, message, signature)
            .map_err(SignatureError::from_source)
    }
}

impl JwtSigner for Rsa<EncodingKey> {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl JwtVerifier for Rsa<DecodingKey> {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
pub(crate) mod tests;
