//! How this process and workerd reach each other.

use async_trait::async_trait;
use std::{fmt, io, net::Ipv4Addr, path::PathBuf};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

/// A connection in either direction.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

/// One socket that a workerd process listens at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A unix socket's file.
    File(PathBuf),
    /// A port of 127.0.0.1.
    Port(u16),
}

/// Waits for connections from workerd.
#[async_trait]
pub(crate) trait Incoming: fmt::Debug + Send + Sync + 'static {
    /// The next connection.
    async fn accept(&self) -> io::Result<Box<dyn Stream>>;
}

/// How this process and workerd reach each other: unix sockets where there are any, else ports of
/// 127.0.0.1.
///
/// # Contract
/// - Nothing outside this machine can connect.
/// - Names given to [`Link::listen_text`] are unique per process; two may be in use at once.
/// - `connect` does not wait for a listener that is not there.
#[async_trait]
pub(crate) trait Link: fmt::Debug + Send + Sync + 'static {
    /// What workerd's config says about where to listen.
    fn listen_text(&self, name: &str) -> String;
    /// Where that is, once workerd reported `port` (0 for a unix socket).
    fn endpoint(&self, name: &str, port: u16) -> Endpoint;
    /// Connects to workerd.
    async fn connect(&self, to: &Endpoint) -> io::Result<Box<dyn Stream>>;
    /// Listens for workerd; also says what its config must name as the address.
    async fn listen(&self, name: &str) -> io::Result<(Box<dyn Incoming>, String)>;
    /// Removes what a process left at an endpoint.
    fn forget(&self, endpoint: &Endpoint);
}

/// Unix sockets in a folder that only this user may enter.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct UnixLink {
    folder: PathBuf,
}

#[cfg(unix)]
impl UnixLink {
    /// `folder` exists, belongs to this user alone, and its path is short (a socket's path has at
    /// most about 100 bytes).
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

#[cfg(unix)]
#[async_trait]
impl Link for UnixLink {
    fn listen_text(&self, name: &str) -> String {
        format!("unix:{}", self.file(name).display())
    }

    fn endpoint(&self, name: &str, _port: u16) -> Endpoint {
        Endpoint::File(self.file(name))
    }

    async fn connect(&self, to: &Endpoint) -> io::Result<Box<dyn Stream>> {
        match to {
            Endpoint::File(path) => Ok(Box::new(tokio::net::UnixStream::connect(path).await?)),
            Endpoint::Port(port) => connect_port(*port).await,
        }
    }

    async fn listen(&self, name: &str) -> io::Result<(Box<dyn Incoming>, String)> {
        let path = self.file(name);
        let listener = tokio::net::UnixListener::bind(&path)?;
        Ok((Box::new(listener), format!("unix:{}", path.display())))
    }

    fn forget(&self, endpoint: &Endpoint) {
        if let Endpoint::File(path) = endpoint {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(unix)]
#[async_trait]
impl Incoming for tokio::net::UnixListener {
    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.accept().await?.0))
    }
}

/// Ports of 127.0.0.1 that the system picks.
#[derive(Debug, Default)]
pub(crate) struct TcpLink;

#[async_trait]
impl Link for TcpLink {
    fn listen_text(&self, _name: &str) -> String {
        "127.0.0.1:0".to_owned()
    }

    fn endpoint(&self, _name: &str, port: u16) -> Endpoint {
        Endpoint::Port(port)
    }

    async fn connect(&self, to: &Endpoint) -> io::Result<Box<dyn Stream>> {
        match to {
            Endpoint::Port(port) => connect_port(*port).await,
            Endpoint::File(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    async fn listen(&self, _name: &str) -> io::Result<(Box<dyn Incoming>, String)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        Ok((Box::new(listener), address))
    }

    fn forget(&self, _endpoint: &Endpoint) {}
}

async fn connect_port(port: u16) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

#[async_trait]
impl Incoming for TcpListener {
    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        let stream = self.accept().await?.0;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    // The suite that every link passes: bytes go both ways, and nobody answers at a dead end.
    async fn conformance(link: &dyn Link) {
        let (incoming, text) = link.listen("back").await.unwrap();
        let port = text.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(0);
        let endpoint = link.endpoint("back", port);
        let (near, far) = tokio::join!(link.connect(&endpoint), incoming.accept());
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        near.write_all(b"ping").await.unwrap();
        let mut heard = [0; 4];
        far.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"ping");
        drop((near, far, incoming));
        assert!(link.connect(&endpoint).await.is_err());
        link.forget(&endpoint);
    }

    #[tokio::test]
    async fn tcp_link_passes_conformance() {
        conformance(&TcpLink).await;
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn unix_link_passes_conformance() {
        let folder = tempfile::tempdir().unwrap();
        conformance(&UnixLink::new(folder.path().to_owned())).await;
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
