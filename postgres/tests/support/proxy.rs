//! `Proxy`: forwards packets between a process and the server, and drops some of them on request.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// A proxy of a port. It serves until the test program ends.
pub struct Proxy {
    pub port: u16,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    swallows: AtomicBool,
    drops_notifications: AtomicBool,
    doubles_notifications: AtomicBool,
    notifications: AtomicUsize,
    connections: AtomicUsize,
}

impl Proxy {
    pub fn of(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let faults = Arc::<Faults>::default();
        let all = faults.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                all.connections.fetch_add(1, Ordering::Relaxed);
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
                    continue;
                };
                _ = (client.set_nodelay(true), server.set_nodelay(true));
                let (to_client, to_server) = (client.try_clone(), server.try_clone());
                let faults = all.clone();
                thread::spawn(move || forward_bytes(client, to_server.expect("a copy"), &faults));
                let faults = all.clone();
                thread::spawn(move || {
                    forward_messages(server, to_client.expect("a copy"), &faults)
                });
            }
        });
        Proxy { port, faults }
    }

    /// From now on, packets in both directions vanish. Connections stay open. New ones are accepted.
    pub fn swallow(&self, swallows: bool) {
        self.faults.swallows.store(swallows, Ordering::SeqCst);
    }

    /// From now on, notifications of the server vanish, and nothing else.
    pub fn drop_notifications(&self) {
        self.faults.drops_notifications.store(true, Ordering::SeqCst);
    }

    /// From now on, each notification of the server arrives twice.
    pub fn double_notifications(&self) {
        self.faults.doubles_notifications.store(true, Ordering::SeqCst);
    }

    /// Returns how many notifications have come from the server.
    pub fn notifications(&self) -> usize {
        self.faults.notifications.load(Ordering::SeqCst)
    }

    /// Returns how many connections were opened.
    pub fn connections(&self) -> usize {
        self.faults.connections.load(Ordering::SeqCst)
    }
}

fn forward_bytes(mut from: TcpStream, mut to: TcpStream, faults: &Faults) {
    let mut buffer = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !faults.swallows.load(Ordering::SeqCst) && to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    _ = to.shutdown(Shutdown::Both);
}

/// Forwards what the server sends, message by message: a letter, four bytes of length, and the rest.
fn forward_messages(mut from: TcpStream, mut to: TcpStream, faults: &Faults) {
    let mut message = Vec::new();
    while read_message(&mut from, &mut message).is_ok() {
        let is_notification = message[0] == b'A';
        if is_notification {
            faults.notifications.fetch_add(1, Ordering::SeqCst);
        }
        let drops = faults.drops_notifications.load(Ordering::SeqCst) && is_notification;
        let vanishes = drops || faults.swallows.load(Ordering::SeqCst);
        let doubles = faults.doubles_notifications.load(Ordering::SeqCst) && is_notification;
        let times = if vanishes { 0 } else { 1 + usize::from(doubles) };
        if to.write_all(&message.repeat(times)).is_err() {
            break;
        }
    }
    _ = to.shutdown(Shutdown::Both);
}

fn read_message(from: &mut TcpStream, message: &mut Vec<u8>) -> std::io::Result<()> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    message.clear();
    message.extend_from_slice(&head);
    message.resize(1 + length, 0);
    from.read_exact(&mut message[5..])
}
