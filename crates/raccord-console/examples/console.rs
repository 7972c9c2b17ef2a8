//! The console alone, in front of any Connect worker:
//! `cargo run -p raccord-console --example console -- 127.0.0.1:8080 http://127.0.0.1:8083/`

use raccord_console::{Console, ConsoleError};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), ConsoleError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let listen = arguments.first().map_or("127.0.0.1:8080", String::as_str);
    let rest_url = arguments.get(1).map_or("http://127.0.0.1:8083/", String::as_str);
    let console = Console::bind(listen, rest_url)?;
    eprintln!("console at http://{}/", console.address());
    console.serve(CancellationToken::new()).await
}
