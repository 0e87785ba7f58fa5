//! What the terminal says when the service is ready.

use crate::product::{Holder, claims};
use local::{Error, Result, Signer, Stack};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Three tokens to begin with, each also in a file, so that a command can name it.
pub struct Tokens(Vec<(&'static str, String, PathBuf)>);

impl Tokens {
    /// Signs the tokens and writes them into the data folder, for the owner's eyes only.
    pub fn write(signer: &Signer, data: &Path) -> Result<Tokens> {
        let folder = data.join("tokens");
        std::fs::create_dir_all(&folder)?;
        let folder = folder.canonicalize()?;
        let holders = [
            ("ana", Holder::User("ana")),
            ("producer", Holder::Producer("producer")),
            ("admin", Holder::Admin("admin")),
        ];
        let write = |(name, holder): (&'static str, Holder)| {
            let token = signer.sign(&claims(&holder));
            let path = folder.join(name);
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            options
                .open(&path)
                .and_then(|mut file| file.write_all(token.as_bytes()))
                .map_err(|error| Error::new(format!("{}: {error}", path.display())))?;
            Ok((name, token, path))
        };
        holders
            .into_iter()
            .map(write)
            .collect::<Result<_>>()
            .map(Tokens)
    }

    /// The header that carries a token, for a shell.
    fn header(&self, name: &str) -> String {
        let token = self.0.iter().find(|(other, ..)| *other == name);
        let path = token.map(|(.., path)| path.display().to_string());
        format!(
            "authorization: Bearer $(cat '{}')",
            path.unwrap_or_default()
        )
    }
}

/// The one line for programs.
pub fn json_line(stack: &Stack) -> Value {
    json!({
        "api": stack.api_url(),
        "page": stack.page_url(),
        "pid": std::process::id(),
        "control": stack.control_url(),
        "dynamodb": stack.dynamodb_url(),
        "secrets": stack.secrets_url(),
        "sns": stack.sns_url(),
        "sqs": stack.sqs_url(),
        "table": stack.table_names().first(),
    })
}

/// The text for people: where everything is, three tokens and three requests to begin with.
pub fn text(stack: &Stack, tokens: &Tokens) -> String {
    let api = stack.api_url();
    let page = stack.page_url();
    let listed = tokens
        .0
        .iter()
        .map(|(name, token, _)| format!("{name}: {token}\n\n"));
    let listed: String = listed.collect();
    let (ana, producer) = (tokens.header("ana"), tokens.header("producer"));
    format!(
        r#"
Tidings is running.

  API    {api}
  phones {page}

Tokens, valid for 24 hours, of the user ana, of a producer and of an admin:

{listed}Register a device of ana's, send her a notification, read her inbox; paste these into another terminal:

curl -s -X PUT {api}/v1/me/devices/phone1 -H "{ana}" -H "content-type: application/json" -d '{{"platform":"fcm","token":"local-phone1"}}'
curl -s -X POST {api}/v1/notifications -H "{producer}" -H "content-type: application/json" -d '{{"recipients":["ana"],"type":"video.liked","title":"Bo liked your video","body":"Sunset over Lisbon","actor":{{"id":"bo","name":"Bo"}}}}'
curl -s {api}/v1/me/notifications -H "{ana}"

More tokens: cargo run -- token --help. Ctrl-C ends everything; nothing that was stored is lost.
"#
    )
}
