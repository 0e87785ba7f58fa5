//! A server's certificate as AWS's are made: an authority between it and a root, each with an RSA key of 2,048 bits.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::Outcome;

/// How a server speaks TLS, and the file with the root that vouches for it. The keys are made here, and nowhere else.
pub struct Tls {
    /// The server's side.
    pub server: Arc<ServerConfig>,
    /// What a client has to trust.
    pub root: PathBuf,
}

/// Makes them with OpenSSL, for this machine's address.
pub fn make() -> Outcome<Tls> {
    let folder = std::env::temp_dir().join(format!("tidings-bench-tls-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    // Nothing of the machine's own defaults.
    fs::write(
        folder.join("openssl.cnf"),
        "[req]\ndistinguished_name=name\n[name]\n",
    )?;
    let authority = "basicConstraints=critical,CA:TRUE";
    let address = "subjectAltName=IP:127.0.0.1";
    certificate(&folder, "root", None, authority)?;
    certificate(&folder, "between", Some("root"), authority)?;
    certificate(&folder, "server", Some("between"), address)?;
    let read = |name: &str| CertificateDer::from_pem_file(folder.join(name).with_extension("pem"));
    let chain = vec![read("server")?, read("between")?];
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key"))?;
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(ring).with_safe_default_protocol_versions()?;
    let server = server.with_no_client_auth().with_single_cert(chain, key)?;
    for name in ["root", "between", "server"] {
        fs::remove_file(folder.join(name).with_extension("key"))?;
    }
    Ok(Tls {
        server: Arc::new(server),
        root: folder.join("root.pem"),
    })
}

fn certificate(folder: &Path, name: &str, signer: Option<&str>, extension: &str) -> Outcome<()> {
    let mut openssl = Command::new("openssl");
    openssl.args("req -config openssl.cnf -x509 -newkey rsa:2048 -nodes -days 2 -subj".split(' '));
    openssl.arg(format!("/CN={name}"));
    openssl.args(["-addext", extension]);
    openssl.args([
        "-keyout",
        &format!("{name}.key"),
        "-out",
        &format!("{name}.pem"),
    ]);
    if let Some(signer) = signer {
        openssl.args([
            "-CA",
            &format!("{signer}.pem"),
            "-CAkey",
            &format!("{signer}.key"),
        ]);
    }
    let status = openssl.current_dir(folder).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("openssl made no certificate".into()),
        Err(error) => Err(format!("openssl: {error}").into()),
    }
}
