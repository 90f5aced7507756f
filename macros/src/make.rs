//! The expressions that make the values.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Path;
use syn::spanned::Spanned;

use crate::value::{Signal, Value};

/// `any_of` takes a tuple of as many sources.
const LONGEST_TUPLE: usize = 12;

/// Where the crate is, for errors at that place.
pub(crate) struct Crate<'a> {
    pub(crate) path: Option<&'a Path>,
    pub(crate) place: Span,
}

impl ToTokens for Crate<'_> {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self.path {
            Some(path) => path.to_tokens(tokens),
            None => tokens.extend(quote_spanned!(self.place=> ::cancelable)),
        }
    }
}

/// The expression that makes one value.
pub(crate) fn make(value: &Value, krate: &Crate<'_>, place: Span) -> TokenStream {
    match value {
        Value::Limit(limit) => {
            let limit = duration(*limit, place);
            quote_spanned!(place=> #krate::timeout(#limit))
        }
        Value::Timeout(expr) => quote_spanned!(place=> #krate::timeout(#expr)),
        Value::Deadline(expr) => quote_spanned!(place=> #krate::deadline(#expr)),
        Value::Condition(expr) => quote_spanned!(place=> #krate::condition(#expr)),
        Value::Name(expr) => quote_spanned!(place=> #krate::__private::name(#expr)),
        Value::Grace(limit) => duration(*limit, place),
        Value::GraceOf(expr) => quote_spanned! {place=>
            ::core::convert::identity::<::core::time::Duration>(#expr)
        },
        // Only looked at, whether it is a token or a reference of any kind to one: the argument
        // stays with the body.
        Value::Token(expr) => {
            let borrowed = quote_spanned!(at(expr.span())=> &(#expr));
            quote_spanned! {place=>
                <#krate::CancellationToken as ::core::clone::Clone>::clone(#borrowed)
            }
        }
        Value::Signals(signals) => {
            let signals = signals.iter().map(|signal| match signal {
                Signal::Named(variant) => quote_spanned!(place=> #krate::Signal::#variant),
                Signal::Expr(expr) => expr.to_token_stream(),
            });
            quote_spanned! {place=>
                match #krate::signals([#(#signals),*]) {
                    ::core::result::Result::Ok(source) => source,
                    ::core::result::Result::Err(error) => {
                        let cancelled = #krate::Cancelled::new(#krate::Reason::error(error));
                        return ::core::result::Result::Err(::core::convert::From::from(cancelled));
                    }
                }
            }
        }
        // So that what is no source is reported here and not where the sources meet.
        Value::Source(expr) => quote_spanned! {at(expr.span())=>
            ::core::future::IntoFuture::into_future(#expr)
        },
    }
}

fn duration(length: Duration, place: Span) -> TokenStream {
    let (seconds, nanos) = (length.as_secs(), length.subsec_nanos());
    quote_spanned!(place=> ::core::time::Duration::new(#seconds, #nanos))
}

/// The first of these, in a tuple of tuples if they are many. With none of them only a handle
/// cancels, or what is above.
pub(crate) fn any_of(mut sources: Vec<TokenStream>, krate: &Crate<'_>) -> TokenStream {
    match &sources[..] {
        [] => return quote!(#krate::never()),
        [only] => return only.clone(),
        _ => {}
    }
    while sources.len() > LONGEST_TUPLE {
        sources = sources
            .chunks(LONGEST_TUPLE)
            .map(|some| quote!(#krate::any_of((#(#some,)*))))
            .collect();
    }
    quote!(#krate::any_of((#(#sources,)*)))
}

/// A span of the macro at that place: what is made with it cannot clash with a name of the user,
/// and no lint takes it for code of the user.
pub(crate) fn at(place: Span) -> Span {
    Span::mixed_site().located_at(place)
}
