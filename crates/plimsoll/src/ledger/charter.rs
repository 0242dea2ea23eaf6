//! What does not change while a ledger is open: who there is, whose child everyone is, and which node of which
//! place stands for whom. Building it is where settings that do not add up are refused.

use std::collections::BTreeMap;

use super::books::{MAX_DEPTH, Node, NodeId};
use super::settings::{AccountSettings, LedgerSettings, LineSettings};
use super::sums::check_sums;
use super::{Books, LedgerError};
use crate::{Bytes, Place};

/// One account as declared or implied.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub path: String,
    pub priority: u8,
    pub lend: bool,
    pub tags: Vec<String>,
}

/// The fixed part of a ledger.
#[derive(Debug)]
pub(crate) struct Charter {
    pub lines: Vec<LineSettings>,
    pub members: Vec<Member>,
    by_path: BTreeMap<String, u32>,
    /// The nodes of each account, one column a place.
    shares: Vec<Option<NodeId>>,
}

/// A share while the tree is being put together.
#[derive(Clone, Copy)]
struct Draft {
    guaranteed: u64,
    limit: Option<u64>,
}

impl Charter {
    /// Checks the settings and draws up the tree: the fixed part, and books with nothing charged.
    pub fn draw_up(settings: &LedgerSettings) -> Result<(Self, Books), LedgerError> {
        let count = settings.accounts.len().saturating_mul(MAX_DEPTH).saturating_add(settings.places.len());
        if count > 1 << 20 || settings.places.len() > 1 << 12 {
            return Err(LedgerError::TooMany(count));
        }
        check_lines(&settings.places)?;
        let (members, by_path) = enrol(&settings.accounts)?;
        let mut charter = Self { lines: settings.places.clone(), members, by_path, shares: Vec::new() };
        charter.check_shares(&settings.accounts)?;
        check_sums(settings).map_err(|over| LedgerError::Overcommitted(Box::new(over)))?;
        charter.shares = vec![None; charter.members.len() * charter.lines.len()];
        let mut nodes = Vec::new();
        for place in 0..charter.lines.len() {
            charter.plant(place, &settings.accounts, &mut nodes);
        }
        let books = Books::new(nodes, &charter.lines);
        Ok((charter, books))
    }

    /// The account of this path.
    pub fn find(&self, path: &str) -> Result<u32, LedgerError> {
        self.by_path
            .get(path)
            .copied()
            .ok_or_else(|| LedgerError::UnknownAccount { path: path.to_owned(), known: self.some_names() })
    }

    /// The number of a place.
    pub fn place(&self, place: Place) -> Option<usize> {
        self.lines.iter().position(|line| line.place == place)
    }

    /// The node that stands for an account on a place.
    pub fn node(&self, account: u32, place: Place) -> Option<NodeId> {
        self.shares[self.cell(account, self.place(place)?)]
    }

    const fn cell(&self, account: u32, place: usize) -> usize {
        account as usize * self.lines.len() + place
    }

    fn some_names(&self) -> String {
        const SHOWN: usize = 12;
        if self.by_path.is_empty() {
            return "none".to_owned();
        }
        let mut text = self.by_path.keys().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        if self.by_path.len() > SHOWN {
            text = format!("{text} and {} more", self.by_path.len() - SHOWN);
        }
        text
    }

    fn check_shares(&self, accounts: &[AccountSettings]) -> Result<(), LedgerError> {
        for account in accounts {
            for (index, share) in account.shares.iter().enumerate() {
                let (place, account) = (share.place, account.path.clone());
                let Some(number) = self.place(place) else {
                    return Err(LedgerError::UnknownPlace { account, place });
                };
                if accounts_have_twice(&accounts_share_places(accounts, &account), index, place) {
                    return Err(LedgerError::DuplicateShare { account, place });
                }
                if share.guaranteed > share.limit {
                    return Err(LedgerError::GuaranteeOverLimit {
                        account,
                        place,
                        guaranteed: share.guaranteed,
                        limit: share.limit,
                    });
                }
                let line = self.lines[number].line;
                if share.limit > line {
                    return Err(LedgerError::LimitOverLine { account, place, limit: share.limit, line });
                }
            }
        }
        Ok(())
    }

    /// Draws up one place's tree and appends its nodes: the root first, parents before children.
    fn plant(&mut self, place: usize, accounts: &[AccountSettings], nodes: &mut Vec<Node>) {
        let line = self.lines[place];
        let carry = line.line.get() - line.reserve.get() - line.emergency.get();
        let mut drafts = self.drafts(line.place, accounts);
        self.sum_up(&mut drafts);

        let number = u16::try_from(place).unwrap_or(u16::MAX);
        let root = NodeId::new(nodes.len());
        nodes.push(Node::root(number, carry));
        for (&account, draft) in &drafts {
            let member = &self.members[account as usize];
            let parent = parent_of(&member.path)
                .and_then(|path| self.by_path.get(path))
                .and_then(|&parent| self.shares[self.cell(parent, place)])
                .unwrap_or(root);
            let above = nodes[parent.index()].clone();
            let limit = draft.limit.unwrap_or(above.limit).min(carry);
            let id = NodeId::new(nodes.len());
            nodes.push(above.child(parent, account, draft.guaranteed, limit, member));
            let cell = self.cell(account, place);
            self.shares[cell] = Some(id);
        }
    }

    /// Declared shares of a place and those of the parents they imply, by account; accounts are numbered by path,
    /// so a parent comes before its children.
    fn drafts(&self, place: Place, accounts: &[AccountSettings]) -> BTreeMap<u32, Draft> {
        let mut drafts = BTreeMap::new();
        for account in accounts {
            let Some(share) = account.shares.iter().find(|share| share.place == place) else {
                continue;
            };
            let mut path = Some(account.path.as_str());
            while let Some(at) = path {
                if let Some(&number) = self.by_path.get(at) {
                    drafts.entry(number).or_insert(Draft { guaranteed: 0, limit: None });
                }
                path = parent_of(at);
            }
            if let Some(&number) = self.by_path.get(&account.path) {
                drafts.insert(
                    number,
                    Draft { guaranteed: share.guaranteed.get(), limit: Some(share.limit.get()) },
                );
            }
        }
        drafts
    }

    /// Sums guarantees from the leaves up: a parent without a guarantee takes on its children's sum. That all of it
    /// fits was checked before.
    fn sum_up(&self, drafts: &mut BTreeMap<u32, Draft>) {
        let mut children: BTreeMap<Option<u32>, Vec<u32>> = BTreeMap::new();
        for &account in drafts.keys() {
            let parent =
                parent_of(&self.members[account as usize].path).and_then(|p| self.by_path.get(p).copied());
            children.entry(parent).or_default().push(account);
        }
        // Children have greater numbers than their parents: going down the numbers sums leaves first.
        for (parent, kids) in children.iter().rev() {
            let sum = kids.iter().fold(0_u64, |sum, kid| sum.saturating_add(drafts[kid].guaranteed));
            if let Some(draft) = parent.and_then(|p| drafts.get_mut(&p))
                && draft.guaranteed == 0
            {
                draft.guaranteed = sum;
            }
        }
    }
}

fn accounts_share_places(accounts: &[AccountSettings], path: &str) -> Vec<Place> {
    accounts
        .iter()
        .find(|account| account.path == path)
        .map(|account| account.shares.iter().map(|share| share.place).collect())
        .unwrap_or_default()
}

fn accounts_have_twice(places: &[Place], index: usize, place: Place) -> bool {
    places.iter().take(index).any(|&earlier| earlier == place)
}

fn check_lines(lines: &[LineSettings]) -> Result<(), LedgerError> {
    for (index, line) in lines.iter().enumerate() {
        if lines[..index].iter().any(|earlier| earlier.place == line.place) {
            return Err(LedgerError::DuplicatePlace(line.place));
        }
        let carried = line.reserve.checked_add(line.emergency).and_then(|kept| line.line.checked_sub(kept));
        if carried.is_none_or(Bytes::is_zero) {
            return Err(LedgerError::NothingToCarry {
                place: line.place,
                line: line.line,
                reserve: line.reserve,
                emergency: line.emergency,
            });
        }
    }
    Ok(())
}

/// Numbers the accounts by path, implied parents included.
fn enrol(accounts: &[AccountSettings]) -> Result<(Vec<Member>, BTreeMap<String, u32>), LedgerError> {
    let mut members = BTreeMap::new();
    for account in accounts {
        check_path(&account.path)?;
        let member = Member {
            path: account.path.clone(),
            priority: account.priority,
            lend: account.lend,
            tags: account.tags.clone(),
        };
        if members.insert(account.path.clone(), member).is_some() {
            return Err(LedgerError::DuplicateAccount(account.path.clone()));
        }
    }
    for account in accounts {
        let mut path = account.path.as_str();
        while let Some(parent) = parent_of(path) {
            members.entry(parent.to_owned()).or_insert_with(|| Member {
                path: parent.to_owned(),
                priority: 1,
                lend: true,
                tags: Vec::new(),
            });
            path = parent;
        }
    }
    let by_path = members.keys().cloned().zip(0_u32..).collect();
    Ok((members.into_values().collect(), by_path))
}

fn parent_of(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

fn check_path(path: &str) -> Result<(), LedgerError> {
    let bad = |why| Err(LedgerError::BadPath { path: path.to_owned(), why });
    if path.is_empty() {
        return bad("it is empty");
    }
    if path.split('/').count() > MAX_DEPTH - 1 {
        return bad("it is more than seven names deep");
    }
    for name in path.split('/') {
        if name.is_empty() {
            return bad("a name in it is empty");
        }
        if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return bad("a name in it has a blank or a control character");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::sums::Bound;
    use super::*;

    fn open(line: u64, accounts: Vec<AccountSettings>) -> Result<(Charter, Books), LedgerError> {
        Charter::draw_up(&LedgerSettings {
            places: vec![
                LineSettings::new(Place::Host, Bytes::new(line))
                    .reserve(Bytes::new(5))
                    .emergency(Bytes::new(5)),
            ],
            accounts,
        })
    }

    fn account(path: &str, guaranteed: u64, limit: u64) -> AccountSettings {
        AccountSettings::new(path).share(Place::Host, Bytes::new(guaranteed), Bytes::new(limit))
    }

    fn refusal(line: u64, accounts: Vec<AccountSettings>) -> LedgerError {
        open(line, accounts).err().unwrap()
    }

    #[test]
    fn guarantees_above_the_line_are_refused_with_the_arithmetic() {
        let text = refusal(110, vec![account("kv", 60, 80), account("models", 63, 80)]).to_string();
        for part in ["60 B  kv", "63 B  models", "133 B  promised", "110 B  line of host", "23 B  too much"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
        assert!(open(110, vec![account("kv", 60, 80), account("models", 40, 80)]).is_ok());
    }

    #[test]
    fn children_must_fit_in_what_their_parent_is_guaranteed() {
        let refused =
            refusal(110, vec![account("m", 50, 80), account("m/a", 30, 40), account("m/b", 21, 40)]);
        let LedgerError::Overcommitted(why) = refused else { panic!("{refused}") };
        assert_eq!(
            (why.bound, why.sum, why.line),
            (Bound::Guarantee("m".to_owned()), Bytes::new(51), Bytes::new(50))
        );
    }

    #[test]
    fn a_parent_without_a_guarantee_takes_on_its_childrens_sum() {
        let accounts = vec![account("m", 0, 80), account("m/a", 30, 40), account("x/y/z", 70, 90)];
        assert!(open(110, accounts.clone()).is_ok());
        let mut more = accounts;
        more.push(account("m/b", 1, 1));
        let LedgerError::Overcommitted(why) = refusal(110, more) else { panic!("not refused") };
        assert_eq!((why.bound, why.sum), (Bound::Line, Bytes::new(111)));
    }

    #[test]
    fn an_overflowing_sum_is_refused_not_wrapped() {
        let refused = Charter::draw_up(&LedgerSettings {
            places: vec![LineSettings::new(Place::Host, Bytes::MAX)],
            accounts: vec![account("a", u64::MAX, u64::MAX), account("b", 2, 2)],
        });
        assert!(matches!(refused, Err(LedgerError::Overcommitted(_))), "2⁶⁴ + 1 bytes on a line of 2⁶⁴ − 1");
    }

    #[test]
    fn malformed_settings_are_refused() {
        use LedgerError as E;
        for path in ["", "/", "a/", "/a", "a//b", "a b", "a/b/c/d/e/f/g/h", "a\n"] {
            assert!(matches!(refusal(110, vec![account(path, 0, 1)]), E::BadPath { .. }), "{path:?}");
        }
        assert!(matches!(refusal(110, vec![account("a", 0, 1), account("a", 0, 1)]), E::DuplicateAccount(_)));
        assert!(matches!(refusal(110, vec![account("a", 2, 1)]), E::GuaranteeOverLimit { .. }));
        assert!(matches!(refusal(110, vec![account("a", 0, 111)]), E::LimitOverLine { .. }));
        assert!(matches!(refusal(10, vec![]), E::NothingToCarry { .. }));
        let twice = account("a", 0, 1).share(Place::Host, Bytes::ZERO, Bytes::ZERO);
        assert!(matches!(refusal(110, vec![twice]), E::DuplicateShare { .. }));
        let elsewhere = AccountSettings::new("a").share(Place::Disk, Bytes::ZERO, Bytes::ZERO);
        assert!(matches!(refusal(110, vec![elsewhere]), E::UnknownPlace { .. }));
    }
}
