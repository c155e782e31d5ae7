//! Serves a store by itself, for trying clients and the conformance suite against it:
//! `cargo run -p fnlocal-registry --example serve -- FOLDER ADDRESS`.

use std::error::Error;
use std::path::Path;

use fnlocal_registry::{HttpOptions, Store, serve};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("usage: serve FOLDER ADDRESS".into());
    };
    let store = Store::open(Path::new(&folder))?;
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("{}", listener.local_addr()?);
    let stop = CancellationToken::new();
    let serving = serve(store, listener, HttpOptions::default(), stop.clone());
    tokio::pin!(serving);
    tokio::select! {
        () = &mut serving => return Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    stop.cancel();
    serving.await;
    Ok(())
}
