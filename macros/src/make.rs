//! The expressions that evaluate the values of the keys.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Path;
use syn::spanned::Spanned;

use crate::value::{Length, Signal, Value};

/// Length of the longest tuple that `any_of` takes.
const LONGEST_TUPLE: usize = 12;

/// The path of the crate, with a span for errors.
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

/// Returns the expression for one value.
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
        Value::Grace(length) | Value::StalledAfter(length) => match length {
            Length::Literal(length) => duration(*length, place),
            Length::Expr(expr) => quote_spanned! {place=>
                ::core::convert::identity::<::core::time::Duration>(#expr)
            },
        },
        // Borrows the token, or the reference to one, so that the body can still use it.
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
        // If the value is not a source, this call makes the compiler report the error at the value.
        Value::Source(expr) => quote_spanned! {at(expr.span())=>
            #krate::__private::Source::into_source(#expr)
        },
    }
}

fn duration(length: Duration, place: Span) -> TokenStream {
    let (seconds, nanos) = (length.as_secs(), length.subsec_nanos());
    quote_spanned!(place=> ::core::time::Duration::new(#seconds, #nanos))
}

/// Combines the sources with `any_of`, in nested tuples if there are too many for one tuple. Without any source, the
/// operation is cancelled only by its handle or its parent.
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

/// Returns a hygienic span at `place`: names made with it do not clash with the user's, and lints do
/// not treat the code as the user's.
pub(crate) fn at(place: Span) -> Span {
    Span::mixed_site().located_at(place)
}
