//! HTTP/1.1 for the SDKs' clients, and for the calls that are made without one.
//!
//! The SDKs' own client would bring HTTP/2 and proxies, which nothing here uses and which are a tenth of a function, and
//! would read the roots three times at a start.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_runtime::user_agent::UserAgentInterceptor;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::interceptors::context::BeforeSerializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{
    Intercept, disable_interceptor, dyn_dispatch_hint,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::retry::ErrorKind;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{
    CaptureConnection, HttpConnector as TcpConnector, capture_connection,
};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use lambda_http::http::Uri;
use lambda_http::http::header::{HeaderValue, USER_AGENT};
use rustls::crypto::ring::{self, cipher_suite};
use rustls::crypto::{CryptoProvider, KeyProvider};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SigningKey;
use rustls::{ClientConfig, RootCertStore, SupportedCipherSuite};
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tower_service::Service;

use crate::error::{Error, Result, Source};

/// The longest that a connection may take to stand, TLS included.
pub const CONNECTING: Duration = Duration::from_millis(700);
/// A frozen function wakes up with connections that the other side has closed.
pub const IDLE: Duration = Duration::from_secs(10);

/// Who calls, in the words of the logs that AWS keeps of calls.
const CALLER: &str = concat!("tidings/", env!("CARGO_PKG_VERSION"));

/// The ciphers of the SDKs' own client that processors have instructions for, first those with a hash that they have them for.
const CIPHERS: &[SupportedCipherSuite] = &[
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
];

/// Connections that are kept, for all who share them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connections {
    client: Client<Timely, SdkBody>,
}

impl Connections {
    /// Connections in the clear to `http://`, and over TLS to servers that one of these roots vouches for.
    pub fn new(roots: &[CertificateDer<'static>]) -> Result<Connections> {
        Connections::trusting(Vec::new(), roots)
    }

    /// The same, beside the roots that this machine trusts.
    pub fn anywhere(roots: &[CertificateDer<'static>]) -> Result<Connections> {
        Connections::trusting(rustls_native_certs::load_native_certs().certs, roots)
    }

    fn trusting(
        native: Vec<CertificateDer<'static>>,
        roots: &[CertificateDer<'static>],
    ) -> Result<Connections> {
        let tls = tls(native, roots).map_err(|error| Error::Internal {
            what: "TLS could not be set up",
            source: error.into(),
        })?;
        let mut tcp = TcpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(Timely(HttpsConnector::from((tcp, tls))));
        Ok(Connections { client })
    }
}

fn tls(
    native: Vec<CertificateDer<'static>>,
    roots: &[CertificateDer<'static>],
) -> Result<ClientConfig, rustls::Error> {
    let mut store = RootCertStore::empty();
    // A machine may trust what is no longer read.
    store.add_parsable_certificates(native);
    for root in roots {
        store.add(root.clone())?;
    }
    let ring = CryptoProvider {
        cipher_suites: CIPHERS.to_vec(),
        key_provider: &NoKeys,
        ..ring::default_provider()
    };
    let tls = ClientConfig::builder_with_provider(Arc::new(ring));
    let tls = tls.with_safe_default_protocol_versions()?;
    Ok(tls.with_root_certificates(store).with_no_client_auth())
}

/// Nobody is shown a certificate of ours, so no key is ever read.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(
        &self,
        _key: PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("no key is read".to_owned()))
    }
}

/// Gives up what takes too long to connect.
#[derive(Debug, Clone)]
struct Timely(HttpsConnector<TcpConnector>);

impl Service<Uri> for Timely {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = Source;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Source>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Source>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let connecting = self.0.call(url);
        Box::pin(async move { tokio::time::timeout(CONNECTING, connecting).await? })
    }
}

impl HttpClient for Connections {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connections {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        let caller = HeaderValue::from_static(CALLER);
        request.headers_mut().insert(USER_AGENT, caller);
        let captured = capture_connection(&mut request);
        // The SDK closes the connection of an attempt that took too long.
        if let Some(wanted) = request.extensions().get::<CaptureSmithyConnection>() {
            wanted.set_connection_retriever(move || metadata(&captured));
        }
        let answer = self.client.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(failure)?;
            let answer = HttpResponse::try_from(answer.map(SdkBody::from_body_1_x));
            answer.map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Keeps an SDK's client from describing itself, its features and this machine in two headers of every call, which takes a
/// tenth of the call.
#[derive(Debug)]
pub struct Terse;

#[dyn_dispatch_hint]
impl Intercept for Terse {
    fn name(&self) -> &'static str {
        "Terse"
    }

    fn read_before_execution(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let less = disable_interceptor::<UserAgentInterceptor>("the connections say who calls");
        config.interceptor_state().store_put(less);
        Ok(())
    }
}

fn metadata(captured: &CaptureConnection) -> Option<ConnectionMetadata> {
    captured.connection_metadata().as_ref()?;
    let captured = captured.clone();
    let close = move || {
        if let Some(connected) = captured.connection_metadata().as_ref() {
            connected.poison();
        }
    };
    let metadata = ConnectionMetadata::builder().proxied(false);
    Some(metadata.poison_fn(close).build())
}

/// What went wrong, in the SDK's words: it decides by them what is worth another attempt.
fn failure(error: ClientError) -> ConnectorError {
    if find::<Elapsed>(&error).is_some() {
        return ConnectorError::timeout(error.into());
    }
    let is_io = error.is_connect() || find::<io::Error>(&error).is_some();
    let kind = find::<hyper::Error>(&error);
    if kind.is_some_and(hyper::Error::is_user) {
        ConnectorError::user(error.into())
    } else if is_io || kind.is_some_and(|kind| kind.is_closed() || kind.is_canceled()) {
        ConnectorError::io(error.into())
    } else {
        let is_cut = kind.is_some_and(hyper::Error::is_incomplete_message);
        ConnectorError::other(error.into(), is_cut.then_some(ErrorKind::TransientError))
    }
}

/// The error of this type in the chain.
fn find<'e, E: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e E> {
    let mut chain = std::iter::successors(Some(error), |error| (*error).source());
    chain.find_map(|error| error.downcast_ref())
}
