//! Whose word a server's name is believed on.

use std::ffi::OsStr;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::error::{Error, Result};

/// The roots that AWS's own endpoints are signed by: Amazon Trust Services' five, as they are published
/// (amazontrust.com/repository). Their text in base64 would take longer to read than they do.
const ROOTS: [&[u8]; 5] = [
    include_bytes!("../../certs/AmazonRootCA1.cer"),
    include_bytes!("../../certs/AmazonRootCA2.cer"),
    include_bytes!("../../certs/AmazonRootCA3.cer"),
    include_bytes!("../../certs/AmazonRootCA4.cer"),
    include_bytes!("../../certs/SFSRootCAG2.cer"),
];

/// Amazon's roots, and those of a file of PEM beside them.
pub(super) fn trusted(more: Option<&OsStr>) -> Result<Vec<CertificateDer<'static>>> {
    let mut roots = ROOTS.map(CertificateDer::from).to_vec();
    if let Some(path) = more {
        let more =
            CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        roots.extend(more.map_err(|error| Error::Internal {
            what: "AWS_CA_BUNDLE",
            source: error.into(),
        })?);
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;
    use crate::connections::Connections;

    #[test]
    fn a_bundle_is_trusted_beside_amazons_roots_and_one_that_cannot_be_read_is_named() {
        let file = std::env::temp_dir().join(format!("tidings-bundle-{}.pem", std::process::id()));
        let beside = |text: &str| {
            let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
            std::fs::write(&file, pem).unwrap();
            trusted(Some(file.as_os_str()))
        };
        let text = base64::engine::general_purpose::STANDARD.encode(ROOTS[2]);
        let both = beside(&text).unwrap();
        assert_eq!(both[..ROOTS.len()], trusted(None).unwrap());
        assert_eq!(both[ROOTS.len()..], [CertificateDer::from(ROOTS[2])]);
        assert!(Connections::new(&both).is_ok());
        assert!(Connections::new(&beside("AAAA").unwrap()).is_err());
        let unreadable = beside("?");
        std::fs::remove_file(&file).unwrap();
        for broken in [unreadable, trusted(Some(file.as_os_str()))] {
            assert!(matches!(
                broken,
                Err(Error::Internal {
                    what: "AWS_CA_BUNDLE",
                    ..
                })
            ));
        }
    }
}
