//! What a stage is made of, and where `COPY` takes files from.

/// Name that Docker has for no image at all.
const SCRATCH: &str = "scratch";
/// Characters of the name of an image.
const NAME_CHARS_MAX: usize = 512;

/// What a stage is made of, or files are taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nothing.
    Scratch,
    /// A stage of the same Dockerfile, by its name or number.
    Stage(String),
    /// An image, by the name that the Dockerfile has for it.
    Image(String),
}

/// The stages so far, each with its name if it has one.
#[derive(Debug, Default)]
pub(crate) struct Stages(Vec<Option<String>>);

impl Stages {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Begins another.
    pub(crate) fn begin(&mut self, name: Option<String>) {
        self.0.push(name);
    }

    /// The number of the stage of this name.
    pub(crate) fn named(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|one| one.as_deref() == Some(name))
    }

    /// What `FROM` names.
    pub(crate) fn from(&self, name: &str) -> Result<Origin, &'static str> {
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            SCRATCH => Ok(Origin::Scratch),
            lower if self.named(lower).is_some() => Ok(Origin::Stage(lower.to_owned())),
            _ => image(name),
        }
    }

    /// What `COPY --from` names. The stage that has begun is none of them.
    pub(crate) fn copied(&self, name: &str) -> Result<Origin, &'static str> {
        let before = self.len().saturating_sub(1);
        let lower = name.to_ascii_lowercase();
        if self.named(&lower).is_some_and(|number| number < before) {
            return Ok(Origin::Stage(lower));
        }
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            let is_before = name.parse::<usize>().is_ok_and(|number| number < before);
            return if is_before { Ok(Origin::Stage(lower)) } else { Err("names no stage before this one") };
        }
        if lower == SCRATCH { Err("has no files to copy: scratch is empty") } else { image(name) }
    }
}

fn image(name: &str) -> Result<Origin, &'static str> {
    if name.is_empty() {
        return Err("names no image: a variable in it may have no value");
    }
    let known = |c: char| c.is_ascii_alphanumeric() || "._-/:@+".contains(c);
    if !name.chars().all(known) || name.len() > NAME_CHARS_MAX {
        return Err("names what can be no image");
    }
    Ok(Origin::Image(name.to_owned()))
}

/// The name of a stage, as it is compared.
pub(crate) fn stage_name(text: &str) -> Result<String, &'static str> {
    let name = text.to_ascii_lowercase();
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if name == SCRATCH || !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(rest) {
        return Err("the name of a stage must be a letter, and letters, digits, '-', '_' and '.'");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_come_before_images() {
        let mut stages = Stages::default();
        stages.begin(Some("build".to_owned()));
        stages.begin(None);
        stages.begin(Some("last".to_owned()));
        let stage = |name: &str| Ok(Origin::Stage(name.to_owned()));
        let image = |name: &str| Ok(Origin::Image(name.to_owned()));
        assert_eq!(stages.from("Build"), stage("build"));
        assert_eq!(stages.from("SCRATCH"), Ok(Origin::Scratch));
        assert_eq!(stages.from("a.example:5000/x/y@sha256:00"), image("a.example:5000/x/y@sha256:00"));
        assert_eq!((stages.copied("BUILD"), stages.copied("1")), (stage("build"), stage("1")));
        // Itself, later ones, and nothing.
        assert_eq!(stages.copied("last"), image("last"));
        assert!(stages.copied("2").is_err() && stages.copied("scratch").is_err());
        assert!(stages.from("").is_err() && stages.from("a b").is_err() && stages.from("$x").is_err());
    }

    #[test]
    fn a_stage_has_a_plain_name() {
        assert_eq!(stage_name("Build-1.x_y").as_deref(), Ok("build-1.x_y"));
        for wrong in ["", "1", "a b", "scratch", "a:b", "-a"] {
            assert!(stage_name(wrong).is_err(), "{wrong}");
        }
    }
}
