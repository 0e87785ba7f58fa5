//! `cargo run -p tests --bin api`: writes the API's document and the page that is rendered from it.

use tests::api;

fn main() -> std::io::Result<()> {
    let document = api::document();
    let files = [
        (api::DOCUMENT, api::written(&document)),
        (api::PAGE, api::page(&document)),
    ];
    for (file, text) in files {
        std::fs::write(api::root().join(file), &text)?;
        println!("{file}: {} bytes", text.len());
    }
    Ok(())
}
