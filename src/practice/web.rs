//! The world's HTTP server: `GET` only, one answer a connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::host::Shared;

/// A request longer than this is refused.
const REQUEST_BYTES_MAX: usize = 8 << 10;

/// A request must be there, and its answer gone, within this time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections at once; more wait.
const CONNECTIONS_MAX: usize = 64;

/// The host and the path of a URL that may lead to the fleet, as in `http://green1:8080/health`.
pub(super) fn split_url(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    let plain = port.chars().all(|c| c.is_ascii_digit()) && !authority.contains('@');
    let host = host.strip_suffix(".practice").unwrap_or(host);
    plain.then_some((host, if path.is_empty() { "/" } else { path }))
}

/// Answers requests until it is dropped.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else { return };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            timeout(PATIENCE, answer(stream, &shared)).await.ok();
            drop(place);
        });
    }
}

async fn answer(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        if request.len() > REQUEST_BYTES_MAX || stream.read_buf(&mut request).await? == 0 {
            break;
        }
    }
    let text = String::from_utf8_lossy(&request);
    let mut words = text.lines().next().unwrap_or_default().split(' ');
    let (verb, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, body) = if matches!(verb, "GET" | "HEAD") {
        let rest = path.strip_prefix('/').unwrap_or(path);
        let (host, _) = rest.split_once('/').unwrap_or((rest, ""));
        let inside = rest.strip_prefix(host).unwrap_or_default();
        let found = shared.world(|world| world.get(host, inside));
        let missing = || (404, serde_json::json!({ "error": "no such host on the fleet" }));
        found.unwrap_or_else(missing)
    } else {
        (405, serde_json::json!({ "error": "only GET" }))
    };
    let reason = if status == 200 { "OK" } else { "Practice" };
    let body = if verb == "HEAD" { String::new() } else { format!("{body}\n") };
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::split_url;

    #[test]
    fn addresses_of_the_fleet_are_known() {
        assert_eq!(split_url("http://green1/health"), Some(("green1", "/health")));
        assert_eq!(split_url("http://green1.practice:8080/a?b"), Some(("green1", "/a?b")));
        assert_eq!(split_url("http://lb1"), Some(("lb1", "/")));
        for other in ["https://green1/", "http://user@green1/", "green1", "http://a:b:c/"] {
            assert_eq!(split_url(other), None, "{other}");
        }
    }
}
