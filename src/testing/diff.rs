//! What two lists of lines have in common, and what not, as text.

/// Prints both as one list: lines of both, `-` those that were only expected, `+` those that only
/// came. Each line that came is followed by its note.
pub(super) fn diff(expected: &[String], came: &[String], note: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    let mut print = |sign: char, line: &str, note: &str| {
        let line = format!("  {sign} {line:<30} {note}");
        text.push_str(line.trim_end());
        text.push('\n');
    };
    let common = common(expected, came);
    let (mut left, mut right) = (0, 0);
    while left < expected.len() || right < came.len() {
        let rest = |left: usize, right: usize| common[left][right];
        if left < expected.len() && right < came.len() && expected[left] == came[right] {
            print(' ', &came[right], &note(right));
            (left, right) = (left + 1, right + 1);
        } else if right == came.len()
            || left < expected.len() && rest(left + 1, right) >= rest(left, right + 1)
        {
            print('-', &expected[left], "");
            left += 1;
        } else {
            print('+', &came[right], &note(right));
            right += 1;
        }
    }
    text
}

/// How many lines the longest common part of `a[i..]` and `b[j..]` has, for each `i` and `j`.
fn common(a: &[String], b: &[String]) -> Vec<Vec<usize>> {
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
    table
}

#[cfg(test)]
mod tests {
    use super::diff;

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
}
