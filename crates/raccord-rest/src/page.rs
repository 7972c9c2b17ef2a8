//! Error pages of the server itself, for requests that reach no resource.

use crate::media::PageForm;

/// What stands in the page for a path that is ambiguous.
pub const BAD_URI: &str = "/badURI";
/// What stands in the page for a path that is none.
pub const BAD_MESSAGE: &str = "/badMessage";

/// Body and content type of a page.
pub fn bad_request(form: PageForm, uri: &str, message: &str) -> (String, Option<&'static str>) {
    match form {
        PageForm::Html => (html(uri, message), Some("text/html;charset=iso-8859-1")),
        PageForm::Json => (
            format!("{{\n\"message\":{message:?},\n\"url\":{uri:?},\n\"status\":\"400\"\n}}"),
            Some("application/json"),
        ),
        PageForm::Empty => (String::new(), None),
    }
}

/// The page, to the byte as Connect's server writes it: its name in the last line is part of what is compared.
fn html(uri: &str, message: &str) -> String {
    let (uri, message) = (escape(uri), escape(message));
    format!(
        "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html;charset=ISO-8859-1\"/>\n\
         <title>Error 400 {message}</title>\n</head>\n<body>\n<h2>HTTP ERROR 400 {message}</h2>\n<table>\n\
         <tr><th>URI:</th><td>{uri}</td></tr>\n<tr><th>STATUS:</th><td>400</td></tr>\n\
         <tr><th>MESSAGE:</th><td>{message}</td></tr>\n</table>\n\
         <hr/><a href=\"https://jetty.org/\">Powered by Jetty:// 12.0.34</a><hr/>\n\n</body>\n</html>\n"
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // The page is in Latin-1.
            c if c.is_ascii() => escaped.push(c),
            _ => escaped.push('?'),
        }
    }
    escaped
}
