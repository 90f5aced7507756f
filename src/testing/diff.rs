//! What two lists of lines have in common, and what not, as text.

/// Where two parts that differ have more pairs of lines than this, nobody looks for what they have in
/// common: that takes so much memory, and so many steps.
const MANY_PAIRS: usize = 4_000_000;

/// Prints both as one list: lines of both, `-` those that were only expected, `+` those that only
/// came. Each line that came is followed by its note.
pub(super) fn diff(expected: &[String], came: &[String], note: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    let mut print = |sign: char, line: &str, note: &str| {
        let line = format!("  {sign} {line:<30} {note}");
        text.push_str(line.trim_end());
        text.push('\n');
    };
    // What both begin and end with is common to them, and often that is nearly all.
    let start = alike(expected.iter().zip(came));
    let rests = expected[start..].iter().rev().zip(came[start..].iter().rev());
    let end = alike(rests);
    let (left_end, right_end) = (expected.len() - end, came.len() - end);
    let common = common(&expected[start..left_end], &came[start..right_end]);

    let same = |place: usize| (' ', &came[place], note(place));
    (0..start).map(same).for_each(|(sign, line, note)| print(sign, line, &note));
    let (mut left, mut right) = (start, start);
    while left < left_end || right < right_end {
        let rest = |left: usize, right: usize| {
            common.as_ref().map_or(0, |table| table[left - start][right - start])
        };
        let both = left < left_end && right < right_end;
        if both && expected[left] == came[right] && common.is_some() {
            print(' ', &came[right], &note(right));
            (left, right) = (left + 1, right + 1);
        } else if right == right_end
            || left < left_end && rest(left + 1, right) >= rest(left, right + 1)
        {
            print('-', &expected[left], "");
            left += 1;
        } else {
            print('+', &came[right], &note(right));
            right += 1;
        }
    }
    (right_end..came.len()).map(same).for_each(|(sign, line, note)| print(sign, line, &note));
    text
}

/// How many pairs there are before the first one that differs.
fn alike<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> usize {
    pairs.take_while(|(a, b)| a == b).count()
}

/// How many lines the longest common part of `a[i..]` and `b[j..]` has, for each `i` and `j`. `None`
/// where that is too much to find out.
fn common(a: &[String], b: &[String]) -> Option<Vec<Vec<usize>>> {
    if a.len().saturating_mul(b.len()) > MANY_PAIRS {
        return None;
    }
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            table[i][j] = if a[i] == b[j] {
                table[i + 1][j + 1] + 1
            } else {
                table[i + 1][j].max(table[i][j + 1])
            };
        }
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::{MANY_PAIRS, diff};

    fn lines(expected: &[&str], came: &[&str]) -> Vec<String> {
        let [expected, came] = [expected, came]
            .map(|lines| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
        let text = diff(&expected, &came, |_| String::new());
        text.lines().map(|line| line.trim_start().to_owned()).collect()
    }

    #[test]
    fn one_line_instead_of_another() {
        let seen = lines(&["a", "b", "c"], &["a", "x", "c"]);
        assert_eq!(seen, ["a", "- b", "+ x", "c"]);
    }

    #[test]
    fn a_line_too_many_and_one_too_few() {
        assert_eq!(lines(&["a", "c"], &["a", "b", "c"]), ["a", "+ b", "c"]);
        assert_eq!(lines(&["a", "b", "c"], &["a", "c"]), ["a", "- b", "c"]);
        assert_eq!(lines(&[], &["a"]), ["+ a"]);
        assert_eq!(lines(&["a"], &[]), ["- a"]);
    }

    #[test]
    fn what_changed_places_is_both() {
        assert_eq!(lines(&["a", "b"], &["b", "a"]), ["- a", "b", "+ a"]);
    }

    /// All that was expected, and then all that came.
    #[test]
    fn where_there_is_too_much_to_compare_nothing_is_common_but_the_ends() {
        let inner = |first: &str| {
            let mut lines = vec!["start".to_owned(), first.to_owned()];
            lines.extend((0..MANY_PAIRS.isqrt()).map(|number| number.to_string()));
            lines.extend([first.to_owned(), "end".to_owned()]);
            lines
        };
        let (expected, came) = (inner("a"), inner("b"));
        let text = diff(&expected, &came, |place| place.to_string());
        let signs: String = text.lines().filter_map(|line| line.chars().nth(2)).collect();
        let many = expected.len() - 2;
        assert_eq!(signs, format!(" {}{} ", "-".repeat(many), "+".repeat(many)));
        assert!(text.ends_with(&format!("{:<30} {}\n", "end", came.len() - 1)), "{text}");
    }
}
