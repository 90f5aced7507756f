//! `PropagateLayer` as a middleware of `reqwest`.

use std::convert::Infallible;
use std::pin::Pin;

use cancelable::Operation;
use http::Extensions;
use reqwest_middleware::reqwest::{Body, Request, Response, ResponseBuilderExt, Url};
use reqwest_middleware::{Error, Middleware, Next, Result};

use crate::PropagateLayer;
use crate::call::{PropagateError, PropagateFuture};

/// Does for the requests of `reqwest` what the layer does for the requests of a tower client.
///
/// If a call is cancelled, it fails with an [`Error::Middleware`] that holds a [`Cancelled`](cancelable::Cancelled). If no
/// time is left, the [`Error::Middleware`] holds a [`PropagateError`]. If the operation is cancelled after the head of the
/// response has arrived, the body fails with an error whose source is a [`Cancelled`](cancelable::Cancelled).
///
/// `reqwest` follows redirects without calling its middleware again. So a redirected request carries the header to any host,
/// even if [`only_to`](PropagateLayer::only_to) does not name that host. To turn redirects off, call
/// `redirect(Policy::none())` on the builder of the client.
///
/// Add this middleware after any middleware that repeats requests, so that each attempt gets the time that is left when it
/// starts.
impl Middleware for PropagateLayer {
    fn handle<'this, 'extensions, 'next, 'call>(
        &'this self,
        mut request: Request,
        extensions: &'extensions mut Extensions,
        next: Next<'next>,
    ) -> Pin<Box<dyn Future<Output = Result<Response>> + Send + 'call>>
    where
        'this: 'call,
        'extensions: 'call,
        'next: 'call,
    {
        Box::pin(async move {
            let Some(operation) = Operation::current() else {
                return next.run(request, extensions).await;
            };
            let gets_header = self.config.names(request.url().host_str(), request.headers());
            let headers = request.headers_mut();
            let prepared = self.config.prepare(&operation, gets_header, headers);
            let call = async {
                let response = next.run(request, extensions).await?;
                let url = response.url().clone();
                Ok(with_url(response.into(), url))
            };
            let called = match prepared {
                Ok(()) => PropagateFuture::calling(call, self.config.ends(operation)),
                Err(refusal) => PropagateFuture::refused(refusal),
            };
            let response = called.await.map_err(|error| match error {
                PropagateError::Service(error) => error,
                PropagateError::Cancelled(cancelled) => Error::middleware(cancelled),
                PropagateError::NoTimeLeft => {
                    Error::middleware(PropagateError::<Infallible>::NoTimeLeft)
                }
            })?;
            Ok(response.map(Body::wrap).into())
        })
    }
}

/// Adds the address that the response came from, which is lost when a response of `reqwest` becomes a response of `http`.
fn with_url(mut response: http::Response<Body>, url: Url) -> http::Response<Body> {
    let with_url = http::Response::builder().url(url).body(());
    if let Ok(with_url) = with_url {
        response.extensions_mut().extend(with_url.into_parts().0.extensions);
    }
    response
}
