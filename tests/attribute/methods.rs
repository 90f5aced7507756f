//! Methods with every kind of `self`, and trait methods.

use std::future::{pending, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use cancelable::prelude::*;

use crate::support::{self, block_on};

#[derive(Default)]
struct Counter {
    token: CancellationToken,
    count: u32,
}

impl Counter {
    const STEP: u32 = 2;

    #[cancelable(source = never())]
    pub(crate) async fn new(count: u32) -> Result<Self, Cancelled> {
        Ok(Self { count, ..Self::default() })
    }

    #[cancelable(token = self.token, source = self.token.cancelled())]
    async fn shared(&self) -> Result<u32, Cancelled> {
        ready(()).await;
        Ok(self.count)
    }

    /// The token is a field of the value that the body changes.
    #[cancelable(token = &self.token)]
    async fn unique(&mut self) -> Result<&mut u32, Cancelled> {
        self.count += Self::STEP;
        ready(()).await;
        Ok(&mut self.count)
    }

    #[cancelable(token = self.token)]
    async fn by_value(mut self, add: u32) -> Result<Self, Cancelled> {
        self.count += add;
        ready(()).await;
        Ok(self)
    }

    #[cancelable(token = self.token)]
    async fn counted(self: Arc<Self>) -> Result<usize, Cancelled> {
        ready(()).await;
        Ok(Arc::strong_count(&self))
    }

    #[cancelable(token = self.token)]
    async fn pinned(mut self: Pin<&mut Self>) -> Result<u32, Cancelled> {
        self.count += 1;
        ready(()).await;
        Ok(self.as_ref().count)
    }

    #[cancelable(token = self.token)]
    async fn boxed(self: Box<Self>) -> Result<u32, Cancelled> {
        ready(()).await;
        Ok(self.count)
    }
}

#[test]
fn receivers() {
    let _watchdog = support::watchdog();
    block_on(async {
        let mut counter = Counter::new(1).await?;
        assert_eq!(counter.shared().await, Ok(1));
        *counter.unique().await? += 10;
        let mut counter = counter.by_value(100).await?;
        assert_eq!(Pin::new(&mut counter).pinned().await, Ok(114));
        let counter = Arc::new(Counter::new(counter.count).await?);
        assert_eq!(counter.clone().counted().await, Ok(2));
        assert_eq!(Box::new(Counter::new(7).await?).boxed().await, Ok(7));
        Ok::<(), Cancelled>(())
    })
    .unwrap();
}

#[test]
fn receivers_cancelled() {
    let _watchdog = support::watchdog();
    block_on(async {
        let mut counter = Counter::new(1).await.unwrap();
        counter.token.cancel_with("stop");
        let stopped = || Cancelled::new("stop");
        assert_eq!(counter.shared().await, Err(stopped()));
        assert_eq!(counter.unique().await, Err(stopped()));
        assert_eq!(Pin::new(&mut counter).pinned().await, Err(stopped()));
        assert_eq!(counter.count, 1);
        let token = counter.token.clone();
        assert_eq!(counter.by_value(1).await.map(|_| ()), Err(stopped()));
        let new = || Counter { token: token.clone(), count: 0 };
        assert_eq!(Arc::new(new()).counted().await, Err(stopped()));
        assert_eq!(Box::new(new()).boxed().await, Err(stopped()));
    });
}

trait Load {
    type Loaded;

    async fn load(&mut self, name: &str) -> Result<Self::Loaded, Cancelled>;

    /// A method with a body may have the attribute in the trait.
    #[cancelable(token = token)]
    async fn load_both(
        &mut self,
        token: &CancellationToken,
    ) -> Result<(Self::Loaded, Self::Loaded), Cancelled> {
        Ok((self.load("a").await?, self.load("b").await?))
    }
}

struct Files<T> {
    token: Rc<CancellationToken>,
    made: T,
}

impl<T: Clone> Load for Files<T>
where
    T: PartialEq,
{
    type Loaded = (String, T);

    #[cancelable(token = self.token)]
    async fn load(&mut self, name: &str) -> Result<Self::Loaded, Cancelled> {
        if name.is_empty() {
            pending::<()>().await;
        }
        Ok((name.to_owned(), self.made.clone()))
    }
}

#[test]
fn trait_methods() {
    let _watchdog = support::watchdog();
    let token = CancellationToken::new();
    let mut files = Files { token: Rc::default(), made: 1 };
    let (first, second) = block_on(files.load_both(&token)).unwrap();
    assert_eq!((first.0.as_str(), second.0.as_str(), second.1), ("a", "b", 1));

    token.cancel_with("both");
    assert_eq!(block_on(files.load_both(&token)), Err(Cancelled::new("both")));
    files.token.cancel_with("each");
    assert_eq!(block_on(files.load("")), Err(Cancelled::new("each")));
}
