// Licensed under the Apache License, Version 2.0.
//
// Writes what java.util.regex makes of a corpus of patterns and texts, one JSON object per line:
//
//   java parity/java/RegexCorpus.java parity/recorded/regex [SEED COUNT]
//
// without SEED the files chosen.jsonl (picked cases) and random.jsonl (random ones of a fixed seed); with it only
// random.jsonl, with COUNT patterns of that seed.
//
// A line holds pattern, ignore_case when set, and either error (what PatternSyntaxException.getMessage says) or texts: a list of
//   text, whole (the groups of Matcher.matches or null), finds (for each Matcher.find: its start in UTF-16 units, then its groups),
//   replacement, all and first (replaceAll, replaceFirst: {text} or {class, message}).

import java.io.BufferedWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

public class RegexCorpus {
    static final long SEED = 17L;
    static BufferedWriter out;

    public static void main(String[] args) throws Exception {
        Path folder = Path.of(args[0]);
        Files.createDirectories(folder);
        if (args.length == 1) {
            out = Files.newBufferedWriter(folder.resolve("chosen.jsonl"));
            chosen();
            mistakes();
            out.close();
        }
        out = Files.newBufferedWriter(folder.resolve("random.jsonl"));
        random(args.length > 1 ? Long.parseLong(args[1]) : SEED, args.length > 2 ? Integer.parseInt(args[2]) : 600);
        out.close();
    }

    // ---- the cases

    static final String[] WORDS = {"", "a", "b", "ab", "aab", "abc", "aaa", "ABC", "aBc1", "foo.bar", "foo-bar_12", "server1.public.orders",
        "a\nb", "a\n", "a\r\n", "\n", "a\r\nb\r\n", "a\u0085b", "a\u2028", " a b ", "\t x\u00a0", "\u00e9t\u00e9", "\u0391\u03b1", "\ud83d\ude00x", "10-20",
        "abab", "a1b22", "$1\\2", "{a}", "[a]", "a]b", "aXbXc"};

    static void chosen() throws Exception {
        String[] patterns = {
            // what configurations hold
            "(.*)", "server1\\.public\\.(.*)", "([^.]+)\\.([^.]+)\\.([^.]+)", "(?!foo).*", ".*(?<!_12)", "(?<routedByValue>.*)", "foo[-.]bar.*",
            "^(?:a|b).*$", "(?i)abc.*", "a|ab|abc", "(a|ab)(c|bcd)?", ".*\\.orders", "[a-z]+\\d*\\..*", "(\\w+)-(\\w+)_(\\d+)",
            // quantifiers
            "a?", "a*", "a+", "a??", "a*?", "a+?", "a?+", "a*+", "a++", "a{2}", "a{2,}", "a{0,2}", "a{1,2}?", "a{1,2}+", "a{0}", "a*+a", "(?:a|ab)*+b", "(?:ab)+",
            "(ab)*", "(a|b)*", "((a)|b)*", "(?:(a)|b)*", "(a?)*?b", "a{2}{3}", "(a{1,2}){2}", "x*", "(?:a|ab){2}+b",
            // anchors
            "^a", "a$", "^$", "$", "^", "\\Aa", "a\\Z", "a\\z", "\\Ga", "(?m)^a$", "(?m)^", "(?m)$", "(?m)^b", "(?d)a$", "(?md)^b", "(?s)a.b", "a.b", "(?d)a.b", ".",
            "\\Z", "\\z", "\\bfoo", "o\\b", "\\B", "\\b", "a$\\n", "(?s).*$", "a$.*", "^*a", "(?m)^*a", "$*", "\\b*a", "(?:^a|b$)+", "\\R", "a\\R", "\\R+", "(?m)$\\R",
            // classes
            "[abc]", "[^abc]", "[a-c]+", "[a-z&&[^b]]+", "[a-z&&b-z]+", "[a-z&&[bc]d]+", "[^a-z&&[^b]]+", "[a-c[1-3]]+", "[a-z&&]+", "[a-z&&[def]]", "[&a]+", "[a&b]+", "[a&&&b]",
            "[a-]+", "[-a]+", "[a-b-c]+", "[]a]+", "[^]a]+", "[\\]a]+", "[a\\-z]+", "[.]", "[\\w.]+", "[\\d\\s]+", "[^\\w]", "[\\p{Lower}1]+", "[\\^a]", "[a^]", "[a\\[^b]+", "[[a]]", "[[^a]b]",
            "[$(*+?]", "[\\x41-\\x43]+", "[\\u0041-C]+", "[\\n\\r]", "[a-z&&[^aeiou]&&[^b]]+", "[ab&&[bc]&&[b]]", "[a-f&&c-h&&d]", "[\\Qa-c\\E]+", "[a-z[A-Z]&&[^b]]+",
            // escapes
            "\\d+", "\\D+", "\\w+", "\\W+", "\\s", "\\S+", "\\h", "\\H", "\\v", "\\V", "\\.", "\\\\", "\\$1", "\\t", "\\x61", "\\x{1F600}", "\\u0061", "\\ud83d\\ude00", "\\0141", "\\07", "\\cA", "\\e", "\\a", "\\f",
            "\\Qfoo.bar\\E", "\\Qa\\E+", "\\Qab\\E*", "\\Q[a]\\E", "\\Q$1\\2\\E", "\\Qabc", "\\Q\\E", "a\\Q1\\E", "(a)\\Q1\\E", "\\-", "\\_", "\\é", "]", "}", "a]b", "{a}".replace("{", "\\{"),
            // properties
            "\\p{L}+", "\\p{Lu}", "\\P{L}+", "\\pL+", "\\PL", "\\p{IsL}+", "\\p{Alpha}+", "\\p{Alnum}+", "\\p{Punct}+", "\\p{Upper}", "\\p{Lower}+", "\\p{Digit}+", "\\p{XDigit}+", "\\p{Space}",
            "\\p{Blank}", "\\p{Cntrl}", "\\p{Graph}+", "\\p{Print}+", "\\p{ASCII}+", "\\p{javaLowerCase}+", "\\p{javaUpperCase}", "\\p{javaWhitespace}", "\\p{javaLetterOrDigit}+", "\\p{javaJavaIdentifierStart}",
            "\\p{javaJavaIdentifierPart}+", "\\p{javaMirrored}", "\\p{javaDefined}+", "\\p{IsAlphabetic}+", "\\p{IsGreek}+", "\\p{InGreek}+", "\\p{InBasicLatin}+", "\\p{InBasic_Latin}+", "\\p{script=Greek}", "\\p{sc=Grek}+",
            "\\p{blk=Basic Latin}+", "\\p{gc=Lu}", "\\p{general_category=Lu}", "\\p{IsLatin}+", "\\p{IsWhite_Space}", "\\p{IsPunctuation}", "\\p{IsDigit}", "\\p{Sc}", "\\p{LC}", "\\p{L1}+", "\\p{all}", "\\p{LD}+", "\\p{C}", "\\p{Zs}",
            "(?i)\\p{Lower}+", "(?i)\\p{Lu}+", "(?U)\\w+", "(?U)\\d", "(?U)\\p{Alpha}+", "(?U)\\p{Lower}+", "(?U)\\s",
            // case
            "(?i)aBC", "(?i)[b-d]+", "(?i)[^b]+", "(?i)\u00e9", "(?iu)\u00c9", "(?iu)\u03b1+", "(?i:a)b", "(?i)a(?-i)B", "a(?i)b|C", "((?i)a)b", "(?i-s:A.)",
            // groups
            "(a)(b)?", "(?<x>a)(?<y>b)", "(?<x>a)\\k<x>", "(a)\\1", "(a)(b)\\2\\1", "\\1(a)", "(a)\\2", "(a)\\11", "(ab)\\1", "(?i)(a)\\1", "(a|(b))\\2", "(?:a)(b)", "()", "(|a)", "(a|)", "|a", "a|", "a||b", "(?:)",
            "(a(b(c)))", "(?<n1>a)(b)(?<n2>c)", "((a)(b))\\3",
            // look-around and atomic groups
            "a(?=b)", "a(?!b)", "(?<=a)b", "(?<!a)b", "(?<=a|ab)c", "(?<=a{1,2})b", "(?<!a{1,3})b", "(?=(a+))a", "(?=a*?b)", "(?!^)a", "(?<=^a)b", "(?<=\\b)a", "(?>a+)b", "(?>a|ab)c", "(?>a*)a", "(?<=(a))b", "(?<=a.?)b",
            "(?<=[ab]{2})[bc]", "(?=.*\\d)(?=.*[a-z]).*", "((?=a)a)+", "(?:(?!b).)*", "(?<!^)b", "(?<=\\n)b", "(?=a)*b", "(?!a)+b", "(?<=ab?)(?=c)",
            // comments
            "(?x) a  b # c\n c", "(?x)[a b]+", "(?x)a\\ b", "(?x) a + b", "(?x)#all", "(?x:a b)c d",
        };
        String[] replacements = {"X", "<$0>", "$1", "\\$1", "[$1-$2]", "${x}"};
        int next = 0;
        for (String pattern : patterns) {
            List<String> texts = new ArrayList<>(List.of(WORDS));
            // Java 17 takes letters of all scripts for words at \b; later ones only ASCII's, as \w.
            if (pattern.contains("\\b") || pattern.contains("\\B"))
                texts.removeIf(text -> text.chars().anyMatch(c -> c > 127));
            // Each text once in three patterns.
            List<String> picked = new ArrayList<>();
            for (int i = 0; i < texts.size(); i++)
                if ((i + next) % 3 == 0 || i % 11 < 4)
                    picked.add(texts.get(i));
            write(pattern, false, picked, replacements[next % replacements.length]);
            next++;
        }
        for (String pattern : new String[] {"db\\.Orders", "a[^b]c", "\u00e9t\u00c9", "foo\\..*", "(?-i)abc"})
            write(pattern, true, List.of("DB.ORDERS", "aBc", "AXC", "\u00c9t\u00e9", "\u00e9T\u00c9", "FOO.bar", "ABC", "abc"), "$0$0");
        String[] broken = {"$", "$x", "$1", "$9", "$12", "$01", "${", "${}", "${x", "${x}", "${y}", "${1a}", "${a-b}", "\\", "a\\", "\\\\", "\\a", "$$", "${x}$1", "${ x}", "a$", "$\u0663", "\\$", "\\{", "$1{x}"};
        for (String replacement : broken) {
            write("(?<x>a)|b", false, List.of("ab", "c"), replacement);
            write("(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)", false, List.of("abcdefghijk", ""), replacement);
            write("a", false, List.of("ab", "c"), replacement);
        }
    }

    static void mistakes() throws Exception {
        String[] patterns = {"(", ")", "a)", "(a", "((a)", "a(b", "[", "[a", "[^", "[]", "[^]", "[a-", "[z-a]", "[a-\\d]", "[\\d-z]", "[[a]", "[a&&", "[&&]", "[&&a]", "[a&&b", "*", "+", "?", "*a", "a|*", "(*a)", "(?:*)", "a**", "a+*", "a?*", "a???", "a++?",
            "{", "{1}", "a{", "a{1", "a{1,", "a{1,2", "a{x}", "a{,2}", "a{2,1}", "a{1,x}", "a{99999999999}", "a{2147483647}x{1,0}", "a{-1}", "\\", "a\\", "\\q", "\\y", "\\i", "\\E", "a\\E", "\\x", "\\xg", "\\x1", "\\x{", "\\x{}", "\\x{110000}", "\\x{41", "\\u", "\\u12", "\\uD83D", "\\08", "\\0", "\\c", "\\k", "\\k<", "\\k<a", "\\k<a>", "\\k<1>", "(?<a>x)\\k<b>",
            "(?", "(?<", "(?<a", "(?<a>", "(?<1a>x)", "(?<a_b>x)", "(?<a>x)(?<a>y)", "(?<é>x)", "(?P<a>x)", "(?P=a)", "(?'a'x)", "(?#c)", "(?i", "(?i:", "(?q)", "(?i-q)", "(?i-)", "(?--i)", "(?$a)", "(?@a)", "(?<=a*)b", "(?<=a+)b", "(?<!a{2,})b", "(?<=(a)\\1)b",
            "\\p", "\\p{", "\\p{L", "\\p{}", "\\pX", "\\p{Foo}", "\\p{IsFoo}", "\\p{InFoo}", "\\p{javaFoo}", "\\p{sc=Foo}", "\\p{blk=Foo}", "\\p{gc=Foo}", "\\p{x=y}", "\\P{Foo}", "[\\p{Foo}]", "\\p{Latin}", "\\p{greek}", "\\p{lower}", "\\p{^L}", "[[:alpha:]]", "[\\b]", "[\\A]", "[\\1]", "[\\R]", "[\\G]", "[\\k<a>]", "[\\q]", "[\\x{110000}]",
            "abc(def[ghi)", "orders-(\\d+", "public.[a-z", "db1.*,db2.*", "*.orders", "a|b)", "(?:a|b", "a{1,2}{", "\\Qa", "\\Q*\\E*", "\\E\\Q", "(?x)a{1 }", "(?x)( ? :a)", "(?x)#", "(?x)[#a]", "(?x)[a#\n]", "\t(", "\u00e9[", "\ud83d\ude00(", "\n*", "a\n(", "x{2}{3}{", "]]", "}}", "a}", "(})", "(]", "[a-[b]]", "[a-&&b]", "[--a]", "[a--]", "[+--]", "[%--]", "[!-+-]", "[a&&&&b]", "[&&&a]", "[a&&^b]", "[^^a]", "[a&&[^a]]", "[\\Q]\\E]", "[\\Q-\\Ea]"};
        for (String pattern : patterns)
            write(pattern, false, List.of("a", "", "ab", "b", "{1}", "[a", "-", "^", "&", "]a", "aaaaaa", "#"), "<$0>");
    }

    // ---- random cases

    static Random random;
    static int groups;
    static final List<Integer> open = new ArrayList<>();
    static final String[] CHARS = {"a", "b", "c", "1", "_", "-", ".", "\\.", "\\n", "\\-", "\u00e9", "A", "\ud83d\ude00"};
    static final String[] SETS = {"\\w", "\\d", "\\s", "\\W", "\\D", "\\S", "[ab]", "[^a]", "[a-c]", "[a-c&&[^b]]", "[^a-c&&b-d]", "[\\wé]", "[\\W1]", "[b-d[A]]", "\\p{L}", "\\p{Upper}", "\\P{Alpha}", "\\h", "\\v", "[.\\-]", "[a-z&&[ab]&&[b]]"};
    static final String[] ANCHORS = {"^", "$", "\\A", "\\Z", "\\z", "\\b", "\\B", "$"};
    static final String[] FLAGS = {"(?i)", "(?m)", "(?s)", "(?d)", "(?im)", "(?-i)", "(?u)", "(?x)"};

    static <T> T pick(T[] list) {
        return list[random.nextInt(list.length)];
    }

    static String alternatives(int depth) {
        StringBuilder text = new StringBuilder(sequence(depth));
        while (random.nextInt(4) == 0)
            text.append('|').append(sequence(depth));
        return text.toString();
    }

    static String sequence(int depth) {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(4); i >= 0; i--)
            text.append(piece(depth));
        return text.toString();
    }

    static String piece(int depth) {
        int kind = random.nextInt(depth > 0 ? 26 : 14);
        if (kind < 8)
            return pick(CHARS) + quantifier(4);
        if (kind < 12)
            return pick(SETS) + quantifier(2);
        if (kind == 12)
            return pick(ANCHORS);
        if (kind == 13)
            return random.nextInt(3) == 0 ? pick(FLAGS) : "\\R";
        if (kind < 19) {
            // A group that refers to itself: docs/java-regex.md.
            open.add(++groups);
            String group = "(" + repeatable(depth - 1);
            open.remove(open.size() - 1);
            return group;
        }
        if (kind == 19)
            return "(?:" + repeatable(depth - 1);
        if (kind == 20)
            return "(?=" + alternatives(depth - 1) + ")";
        if (kind == 21)
            return "(?!" + alternatives(0) + ")";
        if (kind == 22)
            return "(?<=" + pick(CHARS) + pick(new String[] {"", "?", "b", "{1,2}", "|bc"}) + ")";
        if (kind == 23)
            return "(?<!" + pick(CHARS) + pick(new String[] {"", "?", "b", "{1,2}", "|bc"}) + ")";
        if (kind == 24)
            return "(?>" + alternatives(depth - 1) + ")" + quantifier(4);
        int group = groups == 0 ? 0 : 1 + random.nextInt(groups);
        return group == 0 || open.contains(group) ? "a" : "\\" + group + quantifier(5);
    }

    // In a loop whose rounds may be empty, and in what a possessive quantifier gave up, Java's groups hold what its nodes
    // happen to leave in them: docs/java-regex.md. So every round takes a character, and no group is in a possessive loop.
    static String repeatable(int depth) {
        String quantifier = quantifier(2);
        int before = groups;
        if (quantifier.isEmpty())
            return alternatives(depth) + ")";
        StringBuilder text = new StringBuilder(pick(SETS)).append(sequence(depth));
        while (random.nextInt(4) == 0)
            text.append('|').append(pick(CHARS)).append(sequence(depth));
        if (groups > before || quantifier.length() > 1)
            quantifier = quantifier.replaceAll("[+]$", "");
        return text + ")" + (quantifier.isEmpty() ? "+" : quantifier);
    }

    static String quantifier(int rare) {
        if (random.nextInt(rare) != 0)
            return "";
        return pick(new String[] {"?", "*", "+", "{2}", "{1,2}", "{0,3}", "{1,}"}) + pick(new String[] {"", "", "", "?", "+"});
    }

    static String text() {
        String[] parts = {"a", "b", "c", "1", "_", "-", ".", "A", "B", "\n", "\r", "\r\n", " ", "\u00e9", "\u2028", "\ud83d\ude00", "ab", "abc"};
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(7); i > 0; i--)
            text.append(random.nextInt(3) == 0 ? pick(parts) : pick(new String[] {"a", "b", "c"}));
        return text.toString();
    }

    static void random(long seed, int count) throws Exception {
        random = new Random(seed);
        for (int i = 0; i < count; i++) {
            groups = 0;
            String pattern = alternatives(2);
            List<String> texts = new ArrayList<>();
            for (int j = 0; j < 5; j++) {
                String text = text();
                boolean ascii = text.chars().allMatch(c -> c < 128);
                if (ascii || !(pattern.contains("\\b") || pattern.contains("\\B")))
                    texts.add(text);
            }
            write(pattern, random.nextInt(8) == 0, texts, pick(new String[] {"<$0>", "$1", "x$2y", "\\$"}));
        }
        String[] soup = {"(", ")", "[", "]", "{", "}", "*", "+", "?", "\\", "|", "^", "$", "-", "&&", "a", "b", "1", ",", "\\p{", "\\Q", "\\E", "(?", "<", ">", "=", "!", ":", "i", "x", " ", "#", "\n", "\\x", "0", "\u00e9"};
        for (int i = 0; i < count; i++) {
            StringBuilder pattern = new StringBuilder();
            for (int j = random.nextInt(7); j >= 0; j--)
                pattern.append(pick(soup));
            write(pattern.toString(), false, List.of("a", "ab", "-1", ""), "<$0>");
        }
    }

    // ---- one line

    static void write(String pattern, boolean ignoreCase, List<String> texts, String replacement) throws Exception {
        StringBuilder line = new StringBuilder("{\"pattern\":" + json(pattern));
        if (ignoreCase)
            line.append(",\"ignore_case\":true");
        try {
            Pattern compiled = Pattern.compile(pattern, ignoreCase ? Pattern.CASE_INSENSITIVE : 0);
            line.append(",\"replacement\":" + json(replacement) + ",\"texts\":[");
            String comma = "";
            for (String text : texts) {
                if (splitsPair(compiled, text))
                    continue;
                line.append(comma).append(tried(compiled, text, replacement));
                comma = ",";
            }
            line.append("]");
        } catch (PatternSyntaxException e) {
            line.append(",\"error\":" + json(e.getMessage()));
        } catch (RuntimeException e) {
            // A fault of Java's own parser.
            return;
        }
        out.write(line.append("}\n").toString());
    }

    /** Whether Java finds something between the halves of a character: texts that are UTF-8 have no such place. */
    static boolean splitsPair(Pattern pattern, String text) {
        Matcher matcher = pattern.matcher(text);
        while (matcher.find())
            for (int place : new int[] {matcher.start(), matcher.end()})
                if (place > 0 && place < text.length() && Character.isSurrogatePair(text.charAt(place - 1), text.charAt(place)))
                    return true;
        return false;
    }

    static String tried(Pattern pattern, String text, String replacement) {
        StringBuilder line = new StringBuilder("{\"text\":" + json(text));
        Matcher matcher = pattern.matcher(text);
        line.append(",\"whole\":" + (matcher.matches() ? groups(matcher) : "null") + ",\"finds\":[");
        matcher = pattern.matcher(text);
        for (int i = 0; matcher.find(); i++)
            line.append(i > 0 ? "," : "").append("[" + matcher.start() + "," + groups(matcher).substring(1));
        Matcher fresh = pattern.matcher(text);
        line.append("],\"all\":" + replaced(() -> fresh.replaceAll(replacement)));
        line.append(",\"first\":" + replaced(() -> fresh.replaceFirst(replacement)));
        return line.append("}").toString();
    }

    static String groups(Matcher matcher) {
        StringBuilder line = new StringBuilder("[");
        for (int i = 0; i <= matcher.groupCount(); i++)
            line.append(i > 0 ? "," : "").append(json(matcher.group(i)));
        return line.append("]").toString();
    }

    static String replaced(Supplier<String> replace) {
        try {
            return "{\"text\":" + json(replace.get()) + "}";
        } catch (RuntimeException e) {
            return "{\"class\":" + json(e.getClass().getName()) + ",\"message\":" + json(e.getMessage()) + "}";
        }
    }

    static String json(String text) {
        if (text == null)
            return "null";
        StringBuilder line = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\')
                line.append('\\').append(c);
            else if (c < 32 || c > 126)
                line.append(String.format("\\u%04x", (int) c));
            else
                line.append(c);
        }
        return line.append('"').toString();
    }
}
