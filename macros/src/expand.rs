//! The code that takes the place of the function.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{PatType, ReturnType};

use crate::args::{Args, Given, Problems};
use crate::erase::without_impl_trait;
use crate::function::Function;
use crate::make::{Crate, any_of, at, make};
use crate::parameter;
use crate::value::Value;

/// The function made cancelable; or as it is, together with all that is wrong.
pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut problems = Problems(None);
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

/// The signature stays, but for the parameter that the caller does not see. The new body first
/// makes the values, each in a statement of its own, so that what it borrows or locks on the way is
/// free again for the next. Then the arguments move into the work.
fn cancelable(args: &Args, mut function: Function) -> TokenStream {
    let handle = parameter::take(&mut function.signature);
    let Function { attributes, visibility, signature, braces, inner_attributes, body } = &function;
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
    let mut asked = Vec::new();
    for Given { key, value } in &args.given {
        let place = at(key.span());
        let made = make(value, &krate(place), place);
        let variable = match value {
            Value::Name(_) => Ident::new("name", place),
            Value::Grace(_) | Value::GraceOf(_) => Ident::new("grace", place),
            _ => Ident::new(&format!("source{}", sources.len()), place),
        };
        statements.push(quote_spanned!(place=> let #variable = #made;));
        match value {
            Value::Name(_) => name = variable.into_token_stream(),
            Value::Grace(_) | Value::GraceOf(_) => {
                asked.push(quote_spanned!(place=> .grace(#variable)));
            }
            _ => sources.push(variable.into_token_stream()),
        }
    }
    asked.extend(args.registered.map(|key| quote_spanned!(at(key)=> .registered())));
    let sources = any_of(sources, &krate(at(Span::call_site())));

    // What the return type lacks is reported at the return type.
    let place = at(match &signature.output {
        ReturnType::Type(_, output) => output.span(),
        ReturnType::Default => signature.ident.span(),
    });
    let pin = pin(&signature.output, place);
    let krate = krate(place);
    let work_place = at(braces.span.join());
    // The body keeps a block of its own, so that its items are not those that the return type
    // names. The braces of that block are of the macro, or a lint would ask the user to remove them.
    let work = quote_spanned!(work_place=> async move { #pin { #body } });
    // In a block, so that nothing of it but the run is there during the await.
    let run = quote_spanned! {place=>
        let run = {
            let work = #work;
            let way = #krate::__private::errors(&work).way();
            #krate::__private::run(work, #sources, way, #operation, #name) #(#asked)*
        };
        #krate::__private::result(run.await)
    };

    let mut tokens = quote!(#(#attributes)* #visibility #signature);
    braces.surround(&mut tokens, |tokens| {
        tokens.extend(quote!(#(#inner_attributes)* #(#statements)* #run));
    });
    tokens
}

/// Tells the compiler what the work returns, so that `?` and literals in it know their type as they
/// do in any function. It never runs.
fn pin(output: &ReturnType, place: Span) -> TokenStream {
    let ReturnType::Type(_, output) = output else { return TokenStream::new() };
    let output = without_impl_trait((**output).clone());
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

    /// As text without spaces: those between two tokens depend on how the tokens were made.
    fn squeezed(tokens: TokenStream) -> String {
        tokens.to_string().split_whitespace().collect()
    }

    #[track_caller]
    fn has(tokens: &str, wanted: &str) {
        let wanted = squeezed(wanted.parse().unwrap());
        assert!(tokens.contains(&wanted), "{wanted}\nis not in\n{tokens}");
    }

    #[test]
    fn all_around_the_body_stays() {
        let start = "
            /// What it does.
            #[inline]
            #[cfg(any())]
            pub(in crate::x) async fn f<'a, T: 'a, const N: usize>(
                &'a mut self, #[allow(unused)] (a, mut b): (T, [u8; N]), _: impl Copy,
            ) -> Result<&'a T, E> where T: Copy
        ";
        let body = "{ self . y ? ; a }";
        let tokens = expanded("source = s", &format!("{start} {body}"));
        assert!(tokens.starts_with(&squeezed(start.parse().unwrap())), "{tokens}");
        has(&tokens, body);
    }

    #[test]
    fn inner_attributes_stay_at_the_start() {
        let tokens = expanded("source = s", "async fn f() -> R { #![a] #![b(c)] x }");
        has(&tokens, "async fn f() -> R");
        has(&tokens, "#![a] #![b(c)] let source0");
    }

    #[test]
    fn syntax_of_the_body_is_not_read() {
        let tokens = expanded("source = s", "async fn f() -> R { some new @ syntax # 1 ~> 2 }");
        has(&tokens, "{ some new @ syntax # 1 ~> 2 }");
    }

    #[test]
    fn limits_are_known_at_compile_time() {
        let tokens = expanded("timeout = \"1m0.5s\"", "async fn f() -> R { x }");
        has(&tokens, "::cancelable::timeout(::core::time::Duration::new(60u64, 500000000u32))");
    }

    #[test]
    fn one_source_needs_no_any_of() {
        assert!(!expanded("source = s", "async fn f() -> R { x }").contains("any_of"));
        let two = expanded("source = s, token = t", "async fn f() -> R { x }");
        has(&two, "::cancelable::any_of((source0, source1,))");
    }

    #[test]
    fn no_source_is_one_that_never_fires() {
        for args in ["", "name = \"x\"", "registered", "grace = \"5s\""] {
            has(&expanded(args, "async fn f() -> R { x }"), "work, ::cancelable::never(), way,");
        }
        assert!(!expanded("source = s", "async fn f() -> R { x }").contains("never"));
    }

    #[test]
    fn the_name_is_that_of_the_function() {
        let default = expanded("", "async fn fetch(&self) -> R { x }");
        has(&default, "::cancelable::__private::name(\"fetch\")");
        let raw = expanded("", "async fn r#match() -> R { x }");
        has(&raw, "::cancelable::__private::name(\"match\")");
        let named = expanded("name = n + 1", "async fn fetch() -> R { x }");
        has(&named, "let name = ::cancelable::__private::name(n + 1);");
        assert!(!named.contains("\"fetch\""));
    }

    #[test]
    fn what_is_asked_of_the_run() {
        let plain = expanded("source = s", "async fn f() -> R { x }");
        assert!(!plain.contains(".grace(") && !plain.contains(".registered("), "{plain}");
        let both = expanded("registered, grace = \"1m5s\"", "async fn f() -> R { x }");
        has(&both, "let grace = ::core::time::Duration::new(65u64, 0u32);");
        has(&both, ".grace(grace).registered()");
    }

    #[test]
    fn the_handle_is_there_for_the_values() {
        let tokens = expanded("source = s", "async fn f(a: u8, op: Operation) -> R { x }");
        has(&tokens, "async fn f(a: u8,) -> R");
        has(&tokens, "let op: Operation = ::core::convert::identity(handle); let source0");
        has(&tokens, "way, ::core::option::Option::Some(operation),");
        let without = expanded("source = s", "async fn f(a: u8) -> R { x }");
        has(&without, "way, ::core::option::Option::None,");
    }

    #[test]
    fn values_are_made_in_the_order_in_which_they_are_written() {
        let args = "grace = g, source = a, name = n, source = b";
        let tokens = expanded(args, "async fn f() -> R { x }");
        let places = ["letgrace", "letsource0", "letname", "letsource1", "letrun"];
        let places = places.map(|wanted| tokens.find(wanted).unwrap());
        assert!(places.is_sorted(), "{tokens}");
    }

    #[test]
    fn many_sources_make_tuples_of_tuples() {
        let args = "source = s, ".repeat(25);
        let tokens = expanded(&args, "async fn f() -> R { x }");
        assert_eq!(tokens.matches("any_of").count(), 4);
        has(&tokens, "any_of((source24,))");
    }

    #[test]
    fn the_crate_by_another_path() {
        let keys = "timeout = \"1s\", deadline = d, token = t, signal = [\"SIGHUP\", s], \
                    condition = c, source = s, name = n, grace = \"1s\", registered";
        let function = "async fn f(op: Operation) -> R { x }";
        let tokens = expanded(&format!("{keys}, crate = a::b"), function);
        assert!(!tokens.contains("cancelable::"), "{tokens}");
        assert!(expanded(keys, function).contains("cancelable::"));
        assert!(!expanded("crate = a::b", function).contains("cancelable::"));
    }

    #[test]
    fn a_mistake_leaves_the_function_as_it_is() {
        let tokens = expanded("timeout = \"x\"", "async fn f() -> R { x }");
        assert!(tokens.ends_with("asyncfnf()->R{x}"), "{tokens}");
        assert!(tokens.contains("compile_error!"));
    }

    #[test]
    fn mistakes_are_reported_together() {
        let tokens = expanded("a = 1, timeout = \"x\", signal = [\"x\", \"y\"]", "fn f() {}");
        assert_eq!(tokens.matches("compile_error!").count(), 6);
    }
}
