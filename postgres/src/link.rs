//! `Link`: hands a new connection to the future that drives it, and hints to the future that waits for them.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{AsyncMessage, Connection};

/// The state that three futures share: one drives the connection, one waits for hints, and one connects.
pub(crate) struct Link<S, T> {
    /// A connection that the driving future has not taken yet.
    next: Mutex<Option<Connection<S, T>>>,
    driver: AtomicWaker,
    hinted: AtomicBool,
    waiter: AtomicWaker,
}

impl<S, T> Link<S, T> {
    pub(crate) fn new() -> Self {
        Link {
            next: Mutex::new(None),
            driver: AtomicWaker::new(),
            hinted: AtomicBool::new(false),
            waiter: AtomicWaker::new(),
        }
    }

    /// Gives a connection to the driving future, which drops its previous connection.
    pub(crate) fn replace(&self, connection: Connection<S, T>) {
        let unused = self.next.lock().replace(connection);
        drop(unused);
        self.driver.wake();
    }

    /// Waits for a hint.
    pub(crate) async fn hint(&self) {
        poll_fn(|context| {
            self.waiter.register(context.waker());
            // The swap comes after the registration, so a hint is seen here or wakes the task.
            match self.hinted.swap(false, Ordering::AcqRel) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    fn give_hint(&self) {
        self.hinted.store(true, Ordering::Release);
        self.waiter.wake();
    }
}

impl<S, T> Link<S, T>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    /// Drives one connection after the other.
    pub(crate) async fn drive(&self) -> Infallible {
        let mut current = None;
        poll_fn(|context| {
            self.driver.register(context.waker());
            let next = self.next.lock().take();
            if next.is_some() {
                current = next;
            }
            if let Some(connection) = &mut current {
                if self.poll_connection(connection, context).is_ready() {
                    current = None;
                    self.give_hint();
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Polls the connection. Ready once the connection has ended.
    fn poll_connection(
        &self,
        connection: &mut Connection<S, T>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            match connection.poll_message(context) {
                Poll::Ready(Some(Ok(AsyncMessage::Notification(_)))) => self.give_hint(),
                // Notices are meant for people. Ignore them.
                Poll::Ready(Some(Ok(_))) => {}
                // Calls in progress return the error.
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
