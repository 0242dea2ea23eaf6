//! What the screen shows and how keys change it: a state, without a terminal, a clock or an engine.

use std::time::Duration;

use plimsoll::monitor::Sample;

use super::key::Key;
use super::look::Look;
use super::order::{self, Sort};
use super::picture::{Picture, tags};

/// A sample may be late by so much, whatever their interval.
const PATIENCE: Duration = Duration::from_secs(4);

/// Where samples come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// Nothing has come yet.
    #[default]
    Looking,
    /// No engine runs: the machine alone.
    Machine,
    /// A running engine.
    Attached,
    /// It ended; it is looked for again.
    Ended {
        /// Why no more comes.
        why: String,
    },
}

/// What has the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Panel {
    /// Places.
    #[default]
    Places,
    /// Accounts of the selected place.
    Accounts,
    /// Their pools.
    Pools,
    /// Their largest tags.
    Tags,
    /// Alerts and events.
    Events,
}

impl Panel {
    const ALL: [Self; 5] = [Self::Places, Self::Accounts, Self::Pools, Self::Tags, Self::Events];
}

/// What fills the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Page {
    /// Everything at once.
    #[default]
    Overview,
    /// The selected place.
    Place,
    /// The selected account at the selected place.
    Account,
    /// How well things stand, in parts, and what to do.
    Health,
}

/// What the caller is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Go on.
    Stay,
    /// Leave.
    Quit,
    /// Stop until the shell wakes it.
    Suspend,
}

/// The screen's state.
#[derive(Debug)]
pub struct App {
    look: Look,
    now: Duration,
    link: Link,
    linked_at: Duration,
    sampled_at: Duration,
    live: Picture,
    frozen: Option<(Picture, Duration)>,
    page: Page,
    /// The page that a page was opened from, to go back to.
    trail: Vec<Page>,
    help: bool,
    panel: Panel,
    sort: Sort,
    place: Option<String>,
    account: Option<String>,
    /// The first row of what scrolls: tags, events, a page.
    scroll: usize,
}

impl App {
    /// Nothing known yet.
    pub fn new(look: Look) -> Self {
        Self {
            look,
            now: Duration::ZERO,
            link: Link::Looking,
            linked_at: Duration::ZERO,
            sampled_at: Duration::ZERO,
            live: Picture::default(),
            frozen: None,
            page: Page::Overview,
            trail: Vec::new(),
            help: false,
            panel: Panel::Places,
            sort: Sort::default(),
            place: None,
            account: None,
            scroll: 0,
        }
    }

    /// Time goes on. `now` counts from any beginning and never goes back.
    pub fn tick(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// Where samples come from from here on.
    pub fn linked(&mut self, link: Link) {
        if self.link != link {
            self.linked_at = self.now;
            self.link = link;
        }
    }

    /// A sample came.
    pub fn told(&mut self, sample: Sample) {
        self.sampled_at = self.now;
        self.live.add(sample);
        self.keep_selection();
    }

    /// A key was pressed.
    pub fn key(&mut self, key: Key) -> Wish {
        match key {
            Key::Char('q') | Key::Control('c') => return Wish::Quit,
            Key::Control('z') => return Wish::Suspend,
            Key::Char('?') => self.help = !self.help,
            // Whatever else is pressed while help is shown closes it.
            _ if self.help => self.help = false,
            Key::Char(' ') => self.freeze(),
            Key::Char('s') => self.sort = self.sort.next(),
            Key::Char('h') if self.page != Page::Health => self.open(Page::Health),
            Key::Enter | Key::Right | Key::Char('l') => self.drill(),
            // The letter that opens the health closes it.
            Key::Escape | Key::Left | Key::Char('h') => self.back(),
            Key::Tab => self.next_panel(1),
            Key::BackTab => self.next_panel(Panel::ALL.len() - 1),
            Key::Up | Key::Char('k') => self.step(-1),
            Key::Down | Key::Char('j') => self.step(1),
            Key::PageUp => self.step(-10),
            Key::PageDown => self.step(10),
            Key::Home | Key::Char('g') => self.step(isize::MIN),
            Key::End | Key::Char('G') => self.step(isize::MAX),
            Key::Char(_) | Key::Control(_) => {}
        }
        Wish::Stay
    }

    fn freeze(&mut self) {
        self.frozen = match self.frozen {
            Some(_) => None,
            None => Some((self.live.clone(), self.now)),
        };
        self.keep_selection();
    }

    fn open(&mut self, page: Page) {
        self.trail.push(std::mem::replace(&mut self.page, page));
        self.scroll = 0;
    }

    fn back(&mut self) {
        if let Some(page) = self.trail.pop() {
            self.page = page;
            self.scroll = 0;
        }
    }

    fn drill(&mut self) {
        match (self.page, self.panel) {
            (Page::Overview, Panel::Places) if self.place.is_some() => {
                self.open(Page::Place);
            }
            (Page::Overview, Panel::Accounts | Panel::Pools) | (Page::Place, _) if self.account.is_some() => {
                self.open(Page::Account);
            }
            _ => {}
        }
    }

    fn next_panel(&mut self, steps: usize) {
        if self.page == Page::Overview {
            let at = Panel::ALL.iter().position(|panel| *panel == self.panel).unwrap_or(0);
            self.panel = Panel::ALL[(at + steps) % Panel::ALL.len()];
            self.scroll = 0;
        }
    }

    fn step(&mut self, by: isize) {
        let on_place = self.page == Page::Place;
        match (self.page, self.panel) {
            (Page::Overview, Panel::Places) => {
                let names = self.place_names();
                self.place = moved(&names, self.place.as_deref(), by);
                self.keep_selection();
            }
            (Page::Overview, Panel::Accounts | Panel::Pools) | (Page::Place, _) => {
                let pools_only = self.panel == Panel::Pools && !on_place;
                let paths = self.account_paths(pools_only);
                self.account = moved(&paths, self.account.as_deref(), by);
            }
            _ => {
                let most = self.scrollable().saturating_sub(1);
                self.scroll = self.scroll.saturating_add_signed(by).min(most);
            }
        }
    }

    /// How many rows there are in what scrolls.
    fn scrollable(&self) -> usize {
        match (self.page, self.panel) {
            (Page::Overview, Panel::Tags) => self.shown_place().map_or(0, |place| tags(place).len()),
            (Page::Overview, _) => {
                let alerts = self.picture().newest().map_or(0, |sample| sample.alerts.len());
                self.picture().events().count() + alerts
            }
            // A page knows its length only when it is drawn; no page is longer than this.
            _ => 1_000,
        }
    }

    fn place_names(&self) -> Vec<String> {
        let places = self.picture().newest().map(|sample| sample.places.as_slice()).unwrap_or_default();
        places.iter().map(|place| place.place.clone()).collect()
    }

    fn account_paths(&self, pools_only: bool) -> Vec<String> {
        let rows = self.shown_place().map(|place| order::rows(place, self.sort)).unwrap_or_default();
        let wanted = rows.iter().filter(|row| !pools_only || row.account.live_bytes.is_some());
        wanted.map(|row| row.account.path.clone()).collect()
    }

    /// What is selected stays selected; what went away is replaced by the first there is.
    fn keep_selection(&mut self) {
        let names = self.place_names();
        if !self.place.as_ref().is_some_and(|place| names.contains(place)) {
            self.place = names.into_iter().next();
        }
        let paths = self.account_paths(false);
        if !self.account.as_ref().is_some_and(|account| paths.contains(account)) {
            self.account = paths.into_iter().next();
        }
    }
}

/// What is so many steps from the selected one, held to the ends.
fn moved(all: &[String], from: Option<&str>, by: isize) -> Option<String> {
    let at = all.iter().position(|one| Some(one.as_str()) == from).unwrap_or(0);
    let to = at.saturating_add_signed(by).min(all.len().checked_sub(1)?);
    all.get(to).cloned()
}

/// What drawing asks.
impl App {
    /// What the terminal can show.
    pub const fn look(&self) -> Look {
        self.look
    }

    /// What is shown: what is live, or what was when it froze.
    pub fn picture(&self) -> &Picture {
        self.frozen.as_ref().map_or(&self.live, |(picture, _)| picture)
    }

    /// For how long the screen has been frozen.
    pub fn frozen_for(&self) -> Option<Duration> {
        self.frozen.as_ref().map(|(_, since)| self.now.saturating_sub(*since))
    }

    /// Where samples come from, and for how long.
    pub const fn link(&self) -> (&Link, Duration) {
        (&self.link, self.now.saturating_sub(self.linked_at))
    }

    /// How long ago the last sample came.
    pub const fn silent_for(&self) -> Duration {
        self.now.saturating_sub(self.sampled_at)
    }

    /// Whether samples that should have come did not.
    pub fn is_silent(&self) -> bool {
        let mut last = self.live.past().rev().map(|sample| sample.up_ms);
        let apart = last.next().zip(last.next()).map_or(0, |(newest, before)| newest.saturating_sub(before));
        self.silent_for() > PATIENCE.max(Duration::from_millis(apart) * 3)
    }

    /// What fills the screen.
    pub const fn page(&self) -> Page {
        self.page
    }

    /// Whether help is shown.
    pub const fn shows_help(&self) -> bool {
        self.help
    }

    /// What has the keys.
    pub const fn panel(&self) -> Panel {
        self.panel
    }

    /// How accounts are sorted.
    pub const fn sort(&self) -> Sort {
        self.sort
    }

    /// The first row of what scrolls.
    pub const fn scroll(&self) -> usize {
        self.scroll
    }

    /// The selected place.
    pub fn shown_place(&self) -> Option<&plimsoll::monitor::PlaceSample> {
        self.picture().place(self.place.as_deref()?)
    }

    /// The selected account's path.
    pub fn shown_account(&self) -> Option<&str> {
        self.account.as_deref()
    }
}
