//! `durance new`: a function app that builds and runs as it is.

use crate::{CommandError, Exit, print};
use clap::{Args, ValueEnum};
use dialoguer::{Input, Select, theme::ColorfulTheme};
use include_dir::{Dir, include_dir};
use std::{
    fs, io,
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

/// The files of every template, and a folder each.
static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../templates");

/// What the names of files in templates end in, so that no tool takes them for what they are to be.
const SUFFIX: &str = ".template";

/// The SDK's package, in the repository that this program was built from.
const SDK_BESIDE_SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../guest-sdk");

/// Arguments of `durance new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The folder to make; its name becomes the app's.
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,

    /// What to begin with [default: http; on a terminal the program asks]
    #[arg(long, short, value_enum)]
    template: Option<Template>,

    /// Where the SDK is: the repository's checkout, or its folder guest-sdk [default: where this program was built from, if
    /// that is still there, otherwise the published version]
    #[arg(long, value_name = "PATH")]
    sdk_path: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Template {
    /// An HTTP function.
    Http,
    /// A job of which at most one runs under an ID.
    Singleton,
    /// One activity after the other.
    Sequence,
    /// Many activities in parallel.
    FanOut,
    /// A piece of state with operations.
    Entity,
    /// A function that is called at certain times.
    Timer,
}

impl Template {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Singleton => "singleton",
            Self::Sequence => "sequence",
            Self::FanOut => "fan-out",
            Self::Entity => "entity",
            Self::Timer => "timer",
        }
    }
}

/// What is put in the place of the marks in a template.
struct Marks {
    name: String,
    sdk: String,
    sdk_testing: String,
}

/// Makes the app.
///
/// # Errors
/// There is something at the folder, its name cannot be a package's, or it cannot be written.
pub fn run(args: NewArgs) -> Result<Exit, CommandError> {
    let asks = io::stdin().is_terminal() && io::stderr().is_terminal();
    let folder = match args.folder {
        Some(folder) => folder,
        None if asks => ask_for_folder()?,
        None => return Err(CommandError::Usage("name the folder to make: durance new FOLDER".to_owned())),
    };
    let name = package_name(&folder)?;
    refuse_what_is_there(&folder)?;
    let template = match args.template {
        Some(template) => template,
        None if asks => ask_for_template()?,
        None => Template::Http,
    };
    let marks = Marks::new(name, args.sdk_path.as_deref())?;
    write_app(&folder, template, &marks).map_err(|error| {
        CommandError::Failed(format!("cannot make the app in {}: {error}", folder.display()))
    })?;
    print(&format!(
        "Made '{}' of the template '{}'. Next:\n\n  cd {}\n  durance start",
        marks.name,
        template.name(),
        folder.display()
    ))?;
    Ok(Exit::Done)
}

/// The folder's own name, if it can be that of a package.
fn package_name(folder: &Path) -> Result<String, CommandError> {
    let own = if folder.file_name().is_some() { Ok(folder.to_owned()) } else { folder.canonicalize() };
    let own = own.map_err(|error| CommandError::Usage(format!("{}: {error}", folder.display())))?;
    let name = own.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let fits = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.chars().all(fits) {
        return Ok(name);
    }
    Err(CommandError::Usage(format!(
        "'{name}' cannot be the name of an app: it must begin with a letter and have only letters, digits, '-' and '_'"
    )))
}

fn refuse_what_is_there(folder: &Path) -> Result<(), CommandError> {
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => {
            let text = format!("{} is not empty; name a folder that does not exist yet", folder.display());
            Err(CommandError::Exists(text))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(CommandError::Usage(format!("cannot make {}: {error}", folder.display()))),
    }
}

fn ask_for_folder() -> Result<PathBuf, CommandError> {
    let theme = ColorfulTheme::default();
    let input = Input::<String>::with_theme(&theme).with_prompt("Folder").default("my-app".to_owned());
    input.interact_text().map(PathBuf::from).map_err(|error| no_answer(&error))
}

fn ask_for_template() -> Result<Template, CommandError> {
    let templates = Template::value_variants();
    let labels: Vec<_> = templates
        .iter()
        .map(|template| {
            let help =
                template.to_possible_value().and_then(|value| value.get_help().map(ToString::to_string));
            format!("{:<10} {}", template.name(), help.unwrap_or_default())
        })
        .collect();
    let theme = ColorfulTheme::default();
    let chosen = Select::with_theme(&theme).with_prompt("Template").items(&labels).default(0).interact();
    let chosen = chosen.map_err(|error| no_answer(&error))?;
    Ok(templates.get(chosen).copied().unwrap_or(Template::Http))
}

fn no_answer(error: &dialoguer::Error) -> CommandError {
    CommandError::Usage(format!("there was no answer: {error}; see 'durance new --help'"))
}

impl Marks {
    fn new(name: String, sdk_path: Option<&Path>) -> Result<Self, CommandError> {
        let published = || format!("version = {:?}", env!("CARGO_PKG_VERSION"));
        let sdk = match sdk_path {
            Some(given) => sdk_at(given)?,
            None => {
                sdk_folder(Path::new(SDK_BESIDE_SOURCES)).map_or_else(published, |folder| path_of(&folder))
            }
        };
        let sdk_testing = format!("{{ {sdk}, features = [\"testing\"] }}");
        Ok(Self { name, sdk: format!("{{ {sdk} }}"), sdk_testing })
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{{name}}", &self.name)
            .replace("{{crate}}", &self.name.replace('-', "_"))
            .replace("{{sdk-testing}}", &self.sdk_testing)
            .replace("{{sdk}}", &self.sdk)
    }
}

fn sdk_at(given: &Path) -> Result<String, CommandError> {
    let found = sdk_folder(&given.join("guest-sdk")).or_else(|| sdk_folder(given));
    found.map(|folder| path_of(&folder)).ok_or_else(|| {
        let text = "neither it nor its folder guest-sdk has the package durance-sdk";
        CommandError::Usage(format!("--sdk-path {}: {text}", given.display()))
    })
}

/// The folder, in full, if the SDK's package is there.
fn sdk_folder(folder: &Path) -> Option<PathBuf> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
    manifest.contains("name = \"durance-sdk\"").then(|| folder.canonicalize().ok()).flatten()
}

fn path_of(folder: &Path) -> String {
    // JSON's quotes are also those of TOML.
    format!("path = {}", serde_json::Value::from(folder.to_string_lossy()))
}

fn write_app(folder: &Path, template: Template, marks: &Marks) -> io::Result<()> {
    for file in files_of("common").chain(files_of(template.name())) {
        let name = file.path().file_name().unwrap_or_default().to_string_lossy();
        let target = match name.trim_end_matches(SUFFIX) {
            "lib.rs" => "src/lib.rs",
            "gitignore" => ".gitignore",
            name => name,
        };
        let target = folder.join(target);
        fs::create_dir_all(target.parent().unwrap_or(folder))?;
        fs::write(target, marks.fill(file.contents_utf8().unwrap_or_default()))?;
    }
    Ok(())
}

fn files_of(folder: &str) -> impl Iterator<Item = &'static include_dir::File<'static>> {
    TEMPLATES.get_dir(folder).into_iter().flat_map(Dir::files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_has_its_files_and_no_mark_is_left() {
        let folder = tempfile::tempdir().unwrap();
        for template in Template::value_variants() {
            let app = folder.path().join(template.name());
            let marks = Marks::new("my-app".to_owned(), None).unwrap();
            write_app(&app, *template, &marks).unwrap();
            for file in ["Cargo.toml", "durance.toml", "src/lib.rs", ".gitignore", "README.md"] {
                let text = fs::read_to_string(app.join(file)).unwrap();
                assert!(!text.is_empty() && !text.contains("{{"), "{file} of {}", template.name());
            }
            let manifest = fs::read_to_string(app.join("durance.toml")).unwrap();
            assert!(manifest.contains("my_app.wasm"), "{manifest}");
        }
    }

    #[test]
    fn folder_names_an_app() {
        for name in ["my-app", "a/b/my_app2", "./x"] {
            assert!(package_name(Path::new(name)).is_ok(), "{name}");
        }
        for name in ["2nd", "a b", "-x", "ä"] {
            let error = package_name(Path::new(name)).expect_err(name);
            assert_eq!(error.exit(), Exit::Usage);
        }
    }

    #[test]
    fn only_an_empty_folder_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        refuse_what_is_there(folder.path()).unwrap();
        refuse_what_is_there(&folder.path().join("none")).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(refuse_what_is_there(folder.path()).expect_err("a file").exit(), Exit::Conflict);
    }
}
