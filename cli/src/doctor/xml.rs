//! The XML of AWS's query protocols: elements with text or with elements, and nothing else.

/// An element.
#[derive(Debug, Default)]
pub struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// Reads a document; `None` if it is none.
    pub fn parse(xml: &str) -> Option<Element> {
        let mut open = vec![Element::default()];
        for part in xml.split('<').skip(1) {
            let (tag, text) = part.split_once('>')?;
            if tag.starts_with(['?', '!']) {
                continue;
            }
            if tag.starts_with('/') {
                let done = open.pop()?;
                open.last_mut()?.children.push(done);
                continue;
            }
            let name = tag.split([' ', '/', '\n']).next()?.to_owned();
            let element = Element {
                name,
                text: unescape(text),
                children: Vec::new(),
            };
            if tag.ends_with('/') {
                open.last_mut()?.children.push(element);
            } else {
                open.push(element);
            }
        }
        let document = open.pop().filter(|_| open.is_empty())?;
        document.children.into_iter().next()
    }

    /// The elements at a path of names, such as `Stacks/member`.
    pub fn all(&self, path: &str) -> Vec<&Element> {
        let mut found = vec![self];
        for name in path.split('/') {
            let inner = found.iter().flat_map(|element| &element.children);
            found = inner.filter(|element| element.name == name).collect();
        }
        found
    }

    /// The text of the first element at a path; empty if there is none.
    pub fn text(&self, path: &str) -> &str {
        self.all(path).first().map_or("", |element| &element.text)
    }
}

fn unescape(text: &str) -> String {
    let pairs = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&#34;", "\""),
        ("&amp;", "&"),
    ];
    let text = text.trim().to_owned();
    pairs
        .iter()
        .fold(text, |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_and_what_is_none_is_not() {
        let xml = "<?xml version=\"1.0\"?>\n<R xmlns=\"x\"><L><m><k>a &amp;lt; &quot;b&quot;</k><e/></m><m><k>c</k></m></L></R>";
        let read = Element::parse(xml).unwrap();
        assert_eq!(read.text("L/m/k"), "a &lt; \"b\"");
        assert_eq!(read.all("L/m").len(), 2);
        assert_eq!(read.all("L/m")[1].text("k"), "c");
        assert_eq!((read.text("L/m/e"), read.text("L/n")), ("", ""));
        for bad in ["", "text", "<a>", "</a>", "<a></a></b>", "<a", "{\"a\":1}"] {
            assert!(Element::parse(bad).is_none(), "{bad}");
        }
    }
}
