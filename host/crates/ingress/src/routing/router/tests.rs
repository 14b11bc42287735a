use super::*;

fn route(function: &str, template: &str, methods: &[Method]) -> (RouteDefinition, String) {
    let methods = MethodSet::new(methods.iter().cloned());
    let definition = RouteDefinition { function: function.into(), template: template.to_owned(), methods };
    (definition, function.to_owned())
}

fn router(prefix: &str, templates: &[&str]) -> Router<String> {
    Router::new(prefix, templates.iter().map(|template| route(template, template, &[])).collect()).unwrap()
}

/// What a GET finds: `template name=value …`, or how it fails.
fn get(router: &Router<String>, path: &str) -> String {
    show(router.find(&Method::GET, path))
}

fn show(found: RouteMatch<'_, String>) -> String {
    match found {
        RouteMatch::Found(target, parameters) => {
            parameters.into_iter().fold(target.clone(), |text, (name, value)| {
                format!("{text} {name}={}", value.unwrap_or_else(|| "-".to_owned()))
            })
        }
        RouteMatch::WrongMethod(allow) => format!("405 {allow}"),
        RouteMatch::NoRoute => "404".to_owned(),
    }
}

#[test]
fn one_template_against_paths() {
    let table = [
        ("hello", "/api/hello", "hello"),
        ("hello", "/API/HeLLo", "hello"),
        ("hello", "/api/hello/", "hello"),
        ("hello", "/api/hello//", "404"),
        ("hello", "/api//hello", "404"),
        ("hello", "/api/hell%6F", "hello"),
        ("hello", "/api/hello/x", "404"),
        ("hello", "/hello", "404"),
        ("hello", "/", "404"),
        ("", "/api", ""),
        ("", "/api/", ""),
        ("grüße", "/api/gr%C3%BC%C3%9Fe", "grüße"),
        ("hello/{name}", "/api/hello/a%20b%2Fc", "hello/{name} name=a b/c"),
        ("hello/{name}", "/api/hello", "404"),
        ("hello/{name}", "/api/hello/", "404"),
        ("hello/{name?}", "/api/hello", "hello/{name?} name=-"),
        ("hello/{name?}", "/api/hello/", "hello/{name?} name=-"),
        ("hello/{name?}", "/api/hello/x/", "hello/{name?} name=x"),
        ("hello/{name?}", "/api/hello//x", "404"),
        ("hello/{name=World}", "/api/hello", "hello/{name=World} name=World"),
        ("hello/{name=World}", "/api/hello/you", "hello/{name=World} name=you"),
        ("p/{c:alpha}/{id:int?}", "/api/p/food/5", "p/{c:alpha}/{id:int?} c=food id=5"),
        ("p/{c:alpha}/{id:int?}", "/api/p/food", "p/{c:alpha}/{id:int?} c=food id=-"),
        ("p/{c:alpha}/{id:int?}", "/api/p/food/five", "404"),
        ("p/{c:alpha}/{id:int?}", "/api/p/7", "404"),
        ("p/{id:int:min(1):max(9)}", "/api/p/9", "p/{id:int:min(1):max(9)} id=9"),
        ("p/{id:int:min(1):max(9)}", "/api/p/10", "404"),
        ("p/{id:int=7}", "/api/p", "p/{id:int=7} id=7"),
        ("p/{id:regex(^\\d{{3}}(a|b)?$)}", "/api/p/123a", "p/{id:regex(^\\d{{3}}(a|b)?$)} id=123a"),
        ("f/{*rest}", "/api/f/a/b%20c/d", "f/{*rest} rest=a/b c/d"),
        ("f/{*rest}", "/api/f/a/", "f/{*rest} rest=a/"),
        ("f/{**rest}", "/api/f", "f/{**rest} rest=-"),
        ("f/{*rest=index.html}", "/api/f/", "f/{*rest=index.html} rest=index.html"),
        ("f/{*rest:minlength(3)}", "/api/f/ab", "404"),
        ("{a}-{b}", "/api/x-y", "{a}-{b} a=x b=y"),
        ("{a}-{b}", "/api/x-y-z", "{a}-{b} a=x-y b=z"),
        ("{a}-{b}", "/api/x-", "404"),
        ("{a}-{b}", "/api/-y", "404"),
        ("{a}.{b:int}", "/api/x.7", "{a}.{b:int} a=x b=7"),
        ("{a}.{b:int}", "/api/x.y", "404"),
        ("v{a}to{b}end", "/api/V1TO2End", "v{a}to{b}end a=1 b=2"),
        ("v{a}", "/api/w1", "404"),
        ("{a}ä", "/api/1%C3%A4", "{a}ä a=1"),
    ];
    for (template, path, expected) in table {
        assert_eq!(get(&router("api", &[template]), path), expected, "{template} {path}");
    }
}

#[test]
fn most_specific_route_wins_in_any_order() {
    let templates = [
        "{*rest}",
        "{a?}",
        "{a}/{b}",
        "{a}/list",
        "items/{id}",
        "items/{id:int}",
        "items/list",
        "items/{id?}",
        "items/{*rest}",
        "items/{a}-{b}",
    ];
    let table = [
        ("/", "{a?} a=-"),
        ("/x", "{a?} a=x"),
        ("/items", "items/{id?} id=-"),
        ("/items/list", "items/list"),
        ("/items/5", "items/{id:int} id=5"),
        ("/items/five", "items/{id} id=five"),
        ("/items/a-b", "items/{a}-{b} a=a b=b"),
        ("/items/a/b", "items/{*rest} rest=a/b"),
        ("/x/list", "{a}/list a=x"),
        ("/x/y", "{a}/{b} a=x b=y"),
        ("/x/y/z", "{*rest} rest=x/y/z"),
    ];
    let reversed: Vec<_> = templates.iter().rev().copied().collect();
    for order in [templates.as_slice(), &reversed] {
        let router = router("", order);
        for (path, expected) in table {
            assert_eq!(get(&router, path), expected, "{path}");
        }
    }
}

#[test]
fn methods_choose_among_routes_of_one_path() {
    let routes = vec![
        route("Read", "items/{id}", &[Method::GET]),
        route("Write", "items/{id}", &[Method::POST, Method::PUT]),
        route("Special", "items/special", &[Method::POST]),
        route("Any", "any", &[]),
    ];
    let router = Router::new("api", routes).unwrap();
    let table = [
        (Method::GET, "/api/items/1", "Read id=1"),
        (Method::HEAD, "/api/items/1", "Read id=1"),
        (Method::PUT, "/api/items/1", "Write id=1"),
        (Method::POST, "/api/items/special", "Special"),
        (Method::GET, "/api/items/special", "Read id=special"),
        (Method::DELETE, "/api/items/1", "405 GET, POST, PUT, HEAD, OPTIONS"),
        (Method::OPTIONS, "/api/items/1", "405 GET, POST, PUT, HEAD, OPTIONS"),
        (Method::OPTIONS, "/api/any", "Any"),
        (Method::DELETE, "/api/none", "404"),
    ];
    for (method, path, expected) in table {
        assert_eq!(show(router.find(&method, path)), expected, "{method} {path}");
    }
}

#[test]
fn equal_routes_are_refused_and_name_both_functions() {
    let check = |a: (&str, &[Method]), b: (&str, &[Method])| {
        Router::new("api", vec![route("A", a.0, a.1), route("B", b.0, b.1)])
            .err()
            .map(|error| error.to_string())
    };
    let text = "functions 'A' and 'B' have the same route 'X/{b}' for GET; change one of them";
    assert_eq!(check(("x/{a}", &[Method::GET]), ("X/{b}", &[])).as_deref(), Some(text));
    assert!(check(("{a:int}", &[]), ("{b:int}", &[])).unwrap().contains("all methods"));
    assert!(check(("{a?}", &[]), ("{b=1}", &[])).is_some());
    assert_eq!(check(("x/{a}", &[Method::GET]), ("x/{b}", &[Method::POST])), None);
    assert_eq!(check(("{a:int}", &[]), ("{b:alpha}", &[])), None);
    assert_eq!(check(("{a}", &[]), ("{a?}", &[])), None);
    assert_eq!(check(("{a:length(1,2)}", &[]), ("{b:length(1,3)}", &[])), None);
}

#[test]
fn errors_name_the_function_and_the_place() {
    let error = |prefix: &str, template: &str| {
        Router::new(prefix, vec![route("F", template, &[])]).expect_err(template).to_string()
    };
    assert_eq!(
        error("api", "x/{id"),
        "function 'F': route 'x/{id', at character 6: '}' is missing after parameter 'id'"
    );
    assert!(error("", "Admin/x").starts_with("function 'F': route 'Admin/x' begins with 'Admin'"));
    assert!(error("", "runtime").contains("belongs to the host"));
    assert!(error("admin", "x").contains("route prefix 'admin'"));
    assert!(error("{x}", "x").contains("a prefix has no parameters"));
    assert!(error("/api", "x").contains("a segment is empty"));
}
