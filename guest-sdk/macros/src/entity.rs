//! What `#[entity]` adds beside its `impl` block.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{FnArg, ImplItem, ImplItemFn, ItemImpl, LitStr, Receiver, Type};

use crate::arguments::NameArgument;
use crate::expand::{as_result, input_type, register};

const SHAPE: &str = "an operation takes &self or &mut self, then an input by value, if it wants one, then \
                     context: &mut EntityContext, if it wants it";

pub(crate) fn entity(arguments: &NameArgument, item: &ItemImpl) -> syn::Result<TokenStream> {
    if item.trait_.is_some() || !item.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(
            &item.self_ty,
            "#[entity] is for an `impl` block of a type that is not generic",
        ));
    }
    let state = &item.self_ty;
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => name_of(state)?,
    };
    let operations = item.items.iter().filter_map(operation).collect::<syn::Result<Vec<_>>>()?;
    let names: Vec<_> = operations.iter().map(|operation| &operation.name).collect();
    let arms = operations.iter().map(Operation::arm);
    Ok(register(quote! {
        ::durance_sdk::__private::Function::entity(#name, |request| {
            ::durance_sdk::__private::run_entity::<#state>(
                request,
                &[#(#names),*],
                |operation, _state, _input, _context| ::core::option::Option::Some(match operation {
                    #(#arms)*
                    _ => return ::core::option::Option::None,
                }),
            )
        })
    }))
}

/// A method that the host may call.
struct Operation<'a> {
    method: &'a ImplItemFn,
    /// In lower case.
    name: LitStr,
    writes: bool,
    has_input: bool,
    has_context: bool,
}

/// None: the item is no operation.
fn operation(item: &ImplItem) -> Option<syn::Result<Operation<'_>>> {
    let ImplItem::Fn(method) = item else { return None };
    let receiver = method.sig.receiver()?;
    Some(read_operation(method, receiver))
}

fn read_operation<'a>(method: &'a ImplItemFn, receiver: &Receiver) -> syn::Result<Operation<'a>> {
    let signature = &method.sig;
    if receiver.reference.is_none() {
        return Err(syn::Error::new_spanned(receiver, SHAPE));
    }
    if let Some(asyncness) = signature.asyncness {
        let message = "an operation of an entity is not `async`: it answers at once";
        return Err(syn::Error::new_spanned(asyncness, message));
    }
    if !signature.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(&signature.generics, "an operation cannot be generic"));
    }
    let parameters: Vec<_> = signature.inputs.iter().skip(1).map(is_reference).collect();
    let (has_input, has_context) = match parameters.as_slice() {
        [] => (false, false),
        [is_context] => (!is_context, *is_context),
        [false, true] => (true, true),
        _ => return Err(syn::Error::new_spanned(&signature.inputs, SHAPE)),
    };
    let name = signature.ident.unraw().to_string().to_lowercase();
    let name = LitStr::new(&name, signature.ident.span());
    Ok(Operation { method, name, writes: receiver.mutability.is_some(), has_input, has_context })
}

fn is_reference(parameter: &FnArg) -> bool {
    matches!(parameter, FnArg::Typed(parameter) if matches!(*parameter.ty, Type::Reference(_)))
}

fn name_of(state: &Type) -> syn::Result<LitStr> {
    let last = match state {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    };
    let last =
        last.ok_or_else(|| syn::Error::new_spanned(state, "say `name = \"…\"`: this type has no name"))?;
    Ok(LitStr::new(&last.ident.unraw().to_string(), last.ident.span()))
}

impl Operation<'_> {
    fn arm(&self) -> TokenStream {
        let (name, method) = (&self.name, &self.method.sig.ident);
        let access = if self.writes { quote!(Write) } else { quote!(Read) };
        let input_type = input_type(self.has_input);
        let input = self.has_input.then(|| quote!(_value,));
        let context = self.has_context.then(|| quote!(_context));
        let output = as_result(&self.method.sig.output, &quote!(_state.#method(#input #context)));
        quote! {
            #name => ::durance_sdk::__private::run_operation(
                #name,
                ::durance_sdk::__private::Access::#access,
                _input,
                |_value: #input_type| #output,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn refusal(item: &ItemImpl) -> String {
        entity(&NameArgument::default(), item).expect_err("this is wrong").to_string()
    }

    #[test]
    fn methods_with_self_are_operations() {
        let item = parse_quote! {
            impl Counter {
                fn Add(&mut self, amount: i64, context: &mut EntityContext) -> i64 {}
                fn reset(&mut self, context: &mut EntityContext) {}
                fn get(&self) -> Result<i64> {}
                fn helper(n: i64) {}
            }
        };
        let expanded = entity(&NameArgument::default(), &item).expect("right").to_string();
        for part in [
            "\"Counter\"",
            "\"add\" , \"reset\" , \"get\"",
            "_state . Add (_value , _context)",
            "_state . reset (_context)",
            "_state . get () . map_err",
        ] {
            assert!(expanded.contains(part), "{part} is not in {expanded}");
        }
    }

    #[test]
    fn wrong_operations_are_told_their_shape() {
        let item = parse_quote!(impl C { fn add(self, n: i64) {} });
        assert_eq!(refusal(&item), SHAPE);
        let item = parse_quote!(impl C { fn add(&mut self, a: i64, b: i64) {} });
        assert_eq!(refusal(&item), SHAPE);
        let item = parse_quote!(impl C { async fn add(&mut self) {} });
        assert!(refusal(&item).contains("not `async`"));
        let item = parse_quote!(impl Clone for C { fn clone(&self) -> C {} });
        assert!(refusal(&item).contains("`impl` block"));
    }
}
