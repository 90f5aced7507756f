//! Expansion: the code that replaces the function.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{PatType, Type};

use crate::args::{Args, Given};
use crate::erase::without_impl_trait;
use crate::function::{Boxed, Function};
use crate::make::{Crate, any_of, at, make};
use crate::parameter;
use crate::problems::Problems;
use crate::value::Value;

/// Returns the cancelable function. If there are mistakes, returns their errors and the unchanged
/// function.
pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut problems = Problems::default();
    let args = Args::parse(args).map_err(|error| problems.add(error));
    let function = syn::parse2::<Function>(item.clone()).map_err(|error| problems.add(error));
    if let Ok(function) = &function {
        function.check(&mut problems);
    }
    match (problems.into_result(), args, function) {
        (Ok(()), Ok(args), Ok(function)) => cancelable(&args, function),
        (problems, ..) => {
            let errors = problems.err().map(syn::Error::into_compile_error);
            quote!(#errors #item)
        }
    }
}

/// Wraps the body. The signature stays as it is, except for the handle's parameter.
///
/// The new body first evaluates the values, each in its own statement. So the temporaries of one value, such as a borrow or
/// a lock guard, are dropped before the next value is evaluated. Then the arguments move into the work.
fn cancelable(args: &Args, mut function: Function) -> TokenStream {
    let handle = parameter::take(&mut function.signature);
    let Function { attributes, visibility, signature, braces, inner_attributes, body, boxed } =
        &function;
    let krate = |place| Crate { path: args.krate.as_ref(), place };

    let mut statements = Vec::new();
    let mut operation = quote!(::core::option::Option::None);
    if let Some(PatType { attrs, pat, ty, .. }) = &handle {
        let place = at(ty.span());
        let krate = krate(place);
        statements.push(quote_spanned! {place=>
            let (operation, handle) = #krate::__private::operation();
            #(#attrs)* let #pat: #ty = ::core::convert::identity(handle);
        });
        operation = quote_spanned!(place=> ::core::option::Option::Some(operation));
    }

    let place = at(signature.ident.span());
    let (name, krate_here) = (signature.ident.unraw().to_string(), krate(place));
    let mut name = quote_spanned!(place=> #krate_here::__private::name(#name));
    let mut sources = Vec::new();
    let mut builder_calls = Vec::new();
    for Given { key, value } in &args.given {
        let place = at(key.span());
        let made = make(value, &krate(place), place);
        let variable = match value {
            Value::Name(_) => Ident::new("name", place),
            Value::Grace(_) => Ident::new("grace", place),
            Value::StalledAfter(_) => Ident::new("stalled_after", place),
            _ => Ident::new(&format!("source{}", sources.len()), place),
        };
        statements.push(quote_spanned!(place=> let #variable = #made;));
        match value {
            Value::Name(_) => name = variable.into_token_stream(),
            Value::Grace(_) | Value::StalledAfter(_) => {
                builder_calls.push(quote_spanned!(place=> .#variable(#variable)));
            }
            _ => sources.push(variable.into_token_stream()),
        }
    }
    builder_calls.extend(args.flags.iter().map(|key| {
        let place = at(key.span());
        let method = Ident::new(&key.to_string(), place);
        quote_spanned!(place=> .#method())
    }));
    let sources = any_of(sources, &krate(at(Span::call_site())));

    // If the return type does not meet the trait bounds, the error is reported at the return type.
    let output = function.output();
    let place = at(output.map_or_else(|| signature.ident.span(), Spanned::span));
    let pin = pin(output, place);
    let krate = krate(place);
    let work_place = at(braces.span.join());
    // The body stays in a block of its own, so that its items do not shadow names in the return type. The braces have a span
    // of the macro, because a lint would otherwise ask the user to remove them.
    let work = quote_spanned!(work_place=> async move { #pin { #body } });
    // The operation is built in a block, so that only the operation itself is alive across the await.
    let run = quote_spanned! {place=>
        let run = {
            let work = #work;
            let way = #krate::__private::errors(&work).way();
            #krate::__private::run(work, #sources, way, #operation, #name) #(#builder_calls)*
        };
        #krate::__private::result(run.await)
    };

    let mut tokens = quote!(#(#attributes)* #visibility #signature);
    braces.surround(&mut tokens, |tokens| {
        let statements = quote!(#(#statements)* #run);
        tokens.extend(quote!(#(#inner_attributes)*));
        tokens.extend(match boxed {
            None => statements,
            Some(Boxed { call, .. }) => {
                quote_spanned!(work_place=> #call(async move { #statements }))
            }
        });
    });
    tokens
}

/// Pins down the type that the work returns, so that `?` and literals in the body are inferred as in any function.
/// The code never runs.
fn pin(output: Option<&Type>, place: Span) -> TokenStream {
    let Some(output) = output else { return TokenStream::new() };
    let output = without_impl_trait(output.clone());
    quote_spanned! {place=>
        if let ::core::option::Option::Some(result) = ::core::option::Option::None::<#output> {
            return result;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(args: &str, item: &str) -> String {
        squeezed(expand(args.parse().unwrap(), item.parse().unwrap()))
    }

    /// Removes whitespace, because the spacing of tokens depends on how they were made.
    fn squeezed(tokens: TokenStream) -> String {
        tokens.to_string().split_whitespace().collect()
    }

    #[track_caller]
    fn has(tokens: &str, wanted: &str) {
        let wanted = squeezed(wanted.parse().unwrap());
        assert!(tokens.contains(&wanted), "{wanted}\nis not in\n{tokens}");
    }

    #[test]
    fn rest_of_the_function_stays() {
        let start = "
            /// Documentation.
            #[inline]
            #[cfg(any())]
            pub(in crate::x) async fn f<'a, T: 'a, const N: usize>(
                &'a mut self, #[cfg(all())] (a, mut b): (T, [u8; N]), _: impl Copy,
            ) -> Result<&'a T, E> where T: Copy
        ";
        let body = "{ self . y ? ; a }";
        let tokens = expanded("source = s", &format!("{start} {body}"));
        assert!(tokens.starts_with(&squeezed(start.parse().unwrap())), "{tokens}");
        has(&tokens, body);
    }

    #[test]
    fn inner_attributes() {
        let tokens = expanded("source = s", "async fn f() -> R { #![a] #![b(c)] x }");
        has(&tokens, "async fn f() -> R");
        has(&tokens, "#![a] #![b(c)] let source0");
    }

    #[test]
    fn body_is_not_parsed() {
        let tokens = expanded("source = s", "async fn f() -> R { some new @ syntax # 1 ~> 2 }");
        has(&tokens, "{ some new @ syntax # 1 ~> 2 }");
    }

    #[test]
    fn literal_limit() {
        let tokens = expanded("timeout = \"1m0.5s\"", "async fn f() -> R { x }");
        has(&tokens, "::cancelable::timeout(::core::time::Duration::new(60u64, 500000000u32))");
    }

    #[test]
    fn one_source() {
        assert!(!expanded("source = s", "async fn f() -> R { x }").contains("any_of"));
        let two = expanded("source = s, token = t", "async fn f() -> R { x }");
        has(&two, "::cancelable::any_of((source0, source1,))");
    }

    #[test]
    fn no_source() {
        for args in
            ["", "name = \"x\"", "registered", "strict", "grace = \"5s\"", "stalled_after = \"5s\""]
        {
            has(&expanded(args, "async fn f() -> R { x }"), "work, ::cancelable::never(), way,");
        }
        assert!(!expanded("source = s", "async fn f() -> R { x }").contains("never"));
    }

    #[test]
    fn name() {
        let default = expanded("", "async fn fetch(&self) -> R { x }");
        has(&default, "::cancelable::__private::name(\"fetch\")");
        let raw = expanded("", "async fn r#match() -> R { x }");
        has(&raw, "::cancelable::__private::name(\"match\")");
        let named = expanded("name = n + 1", "async fn fetch() -> R { x }");
        has(&named, "let name = ::cancelable::__private::name(n + 1);");
        assert!(!named.contains("\"fetch\""));
    }

    #[test]
    fn builder_calls() {
        let plain = expanded("source = s", "async fn f() -> R { x }");
        assert!(!plain.contains(".grace(") && !plain.contains(".registered("), "{plain}");
        let both = expanded("registered, grace = \"1m5s\"", "async fn f() -> R { x }");
        has(&both, "let grace = ::core::time::Duration::new(65u64, 0u32);");
        has(&both, ".grace(grace).registered()");
        let both = expanded("strict, stalled_after = \"10s\"", "async fn f() -> R { x }");
        has(&both, "let stalled_after = ::core::time::Duration::new(10u64, 0u32);");
        has(&both, ".stalled_after(stalled_after).strict()");
    }

    #[test]
    fn handle() {
        let tokens = expanded("source = s", "async fn f(a: u8, op: Operation) -> R { x }");
        has(&tokens, "async fn f(a: u8,) -> R");
        has(&tokens, "let op: Operation = ::core::convert::identity(handle); let source0");
        has(&tokens, "way, ::core::option::Option::Some(operation),");
        let without = expanded("source = s", "async fn f(a: u8) -> R { x }");
        has(&without, "way, ::core::option::Option::None,");
    }

    #[test]
    fn order_of_values() {
        let args = "grace = g, source = a, name = n, source = b";
        let tokens = expanded(args, "async fn f() -> R { x }");
        let places = ["letgrace", "letsource0", "letname", "letsource1", "letrun"];
        let places = places.map(|wanted| tokens.find(wanted).unwrap());
        assert!(places.is_sorted(), "{tokens}");
    }

    #[test]
    fn many_sources() {
        let args = "source = s, ".repeat(25);
        let tokens = expanded(&args, "async fn f() -> R { x }");
        assert_eq!(tokens.matches("any_of").count(), 4);
        has(&tokens, "any_of((source24,))");
    }

    #[test]
    fn crate_path() {
        let keys = "timeout = \"1s\", deadline = d, token = t, signal = [\"SIGHUP\", s], \
                    condition = c, source = s, name = n, grace = \"1s\", \
                    stalled_after = \"1s\", registered, strict";
        let function = "async fn f(op: Operation) -> R { x }";
        let tokens = expanded(&format!("{keys}, crate = a::b"), function);
        assert!(!tokens.contains("cancelable::"), "{tokens}");
        assert!(expanded(keys, function).contains("cancelable::"));
        assert!(!expanded("crate = a::b", function).contains("cancelable::"));
    }

    #[test]
    fn function_stays_on_error() {
        let tokens = expanded("timeout = \"x\"", "async fn f() -> R { x }");
        assert!(tokens.ends_with("asyncfnf()->R{x}"), "{tokens}");
        assert!(tokens.contains("compile_error!"));
    }

    #[test]
    fn errors_are_combined() {
        let tokens = expanded("a = 1, timeout = \"x\", signal = [\"x\", \"y\"]", "fn f() {}");
        assert_eq!(tokens.matches("compile_error!").count(), 6);
    }

    #[test]
    fn boxed_async_block() {
        let tokens = expanded(
            "token = self.stop",
            "fn f<'a>(&'a self, op: Operation) -> Pin<Box<dyn Future<Output = R> + Send + 'a>> {
                Box::pin(async move { let op = op; op })
            }",
        );
        has(&tokens, "fn f<'a>(&'a self,) -> Pin<Box<dyn Future<Output = R> + Send + 'a>>");
        assert!(tokens.contains("Box::pin(asyncmove{let(operation,handle)="), "{tokens}");
        has(&tokens, "::core::option::Option::None::<R>");
        has(&tokens, "{ let op = op; op }");
    }
}
