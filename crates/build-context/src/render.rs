//! A Dockerfile as Docker gets it.

use std::collections::BTreeMap;

use crate::dockerfile::{Dockerfile, What};
use crate::lines::Problem;
use crate::origin::Origin;

/// What Docker gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The text: each step on one line.
    pub text: String,
    /// For each of its steps what its author knows it by, if he does.
    pub steps: Vec<Option<String>>,
}

impl Rendered {
    fn step(&mut self, line: &str, shown: Option<&str>) {
        self.text.push_str(line);
        self.text.push('\n');
        self.steps.push(shown.map(str::to_owned));
    }
}

impl Dockerfile {
    /// The same steps, on the images that `images` has for the names of [`Dockerfile::images`]. `labels` are on everything that is made on
    /// the way, and without a value on what is made at last.
    ///
    /// # Errors
    /// A name that has no image.
    pub fn render(
        &self,
        images: &BTreeMap<String, String>,
        labels: &[(&str, &str)],
    ) -> Result<Rendered, Problem> {
        let mut made = Rendered { text: String::new(), steps: Vec::new() };
        let label = |value: &dyn Fn(&str) -> String| {
            let pairs = labels.iter().map(|(name, text)| format!(" {name}=\"{}\"", value(text)));
            format!("LABEL{}", pairs.collect::<String>())
        };
        for step in &self.steps {
            let place = |origin: &Origin| match origin {
                Origin::Scratch => Ok("scratch".to_owned()),
                Origin::Stage(name) => Ok(name.clone()),
                Origin::Image(name) => images
                    .get(name)
                    .cloned()
                    .ok_or_else(|| Problem::at(step.line, format!("there is no image '{name}'"))),
            };
            let shown = Some(step.shown.as_str());
            match &step.what {
                What::From { origin, name } => {
                    let name = name.as_ref().map(|name| format!(" AS {name}")).unwrap_or_default();
                    made.step(&format!("FROM {}{name}", place(origin)?), shown);
                    // Before anything that could be left behind.
                    made.step(&label(&str::to_owned), None);
                }
                What::Copy { keyword, flags, from, rest } => {
                    let from = from.as_ref().map(place).transpose()?;
                    let from = from.map(|name| format!("--from={name}"));
                    let words: Vec<&str> = [keyword.as_str()]
                        .into_iter()
                        .chain(from.as_deref())
                        .chain(flags.iter().map(String::as_str))
                        .chain([rest.as_str()])
                        .collect();
                    made.step(&words.join(" "), shown);
                }
                What::Plain { keyword, rest } => made.step(format!("{keyword} {rest}").trim_end(), shown),
                What::Label => {}
            }
        }
        made.step(&label(&|_| String::new()), None);
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::Asked;

    fn rendered(text: &str) -> Rendered {
        let dockerfile =
            Dockerfile::parse(text, &Asked { platform: "linux/amd64", ..Asked::default() }).unwrap();
        let images = [("debian:12", "ours:aa"), ("tools", "ours:bb")];
        let images = images.map(|(name, of)| (name.to_owned(), of.to_owned())).into();
        dockerfile.render(&images, &[("a.b", "x"), ("c", "")]).unwrap()
    }

    #[test]
    fn docker_gets_our_images_under_our_labels() {
        let text = "ARG TAG=12\nfrom debian:$TAG as Build\nLABEL a.b=evil\nrun a \\\n  && b\n\
                    FROM scratch\ncopy --chown=1:$G --from=build  /a  /b\nCOPY --from=tools [\"x y\", \"/\"]\n\
                    ADD [ \"a\\u0062\",\"/\" ]\nCMD";
        let made = rendered(text);
        let lines = [
            "ARG TAG=12",
            "FROM ours:aa AS build",
            "LABEL a.b=\"x\" c=\"\"",
            "RUN a   && b",
            "FROM scratch",
            "LABEL a.b=\"x\" c=\"\"",
            "COPY --from=build --chown=1:$G /a  /b",
            "COPY --from=ours:bb [\"x y\", \"/\"]",
            "ADD [\"ab\",\"/\"]",
            "CMD",
            "LABEL a.b=\"\" c=\"\"",
        ];
        assert_eq!(made.text.lines().collect::<Vec<_>>(), lines);
        assert_eq!(made.steps.len(), lines.len());
        assert_eq!(
            (made.steps[1].as_deref(), made.steps[2].as_deref()),
            (Some("FROM debian:$TAG as Build"), None)
        );
    }

    #[test]
    fn a_name_without_an_image_is_refused() {
        let dockerfile = Dockerfile::parse("FROM a\nCOPY --from=b c d", &Asked::default()).unwrap();
        let images = BTreeMap::from([("a".to_owned(), "x".to_owned())]);
        let error = dockerfile.render(&images, &[]).unwrap_err().to_string();
        assert_eq!(error, "line 2 of the Dockerfile: there is no image 'b'");
    }
}
