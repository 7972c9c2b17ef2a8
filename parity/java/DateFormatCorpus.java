// Licensed under the Apache License, Version 2.0.
//
// Writes what java.text.SimpleDateFormat makes of patterns, moments and texts, in UTC and English, one JSON object per
// line:
//
//   java parity/java/DateFormatCorpus.java parity/recorded/date-format [SEED COUNT]
//
// without SEED the files chosen.jsonl and random.jsonl; with it only random.jsonl, with COUNT patterns of that seed.
//
// A line holds pattern and either error (of the constructor) or
//   formats: [[milliseconds since 1970, text]...]
//   parses: [[text, milliseconds since 1970 or the message of the ParseException]...]
// Years of two digits follow 1946-11-26T12:00:00Z.

import java.io.BufferedWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.ParseException;
import java.text.SimpleDateFormat;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.TimeZone;

public class DateFormatCorpus {
    static final long SEED = 17L;
    static final long CENTURY = -728913600000L;
    static BufferedWriter out;
    static Random random;

    static final long[] MOMENTS = {0, 1, -1, 999, 86399999, 86400000, -86400000, 1700000000123L, 951782400000L, 1078012800000L, 1609459199999L, 1609459200000L, 1230768000000L,
        1262304000000L, 1735603200000L, -12219292800000L, -12219292800001L, -12220156800000L, -12219206400000L, -12196396800000L, -12243484800000L, -12212553600000L, -62135596800000L, -62135769600000L, -62167392000000L, -62198755200000L, -65000000000000L,
        -100000000000000L, 253402300799999L, 253402300800000L, 8640000000000000L, -2208988800000L, 4102444800000L, 1293840000000L, 1325376000000L, 1419984000000L, 1451606400000L, 1483228800000L, 1514764800000L, 1546300800000L, 1577836800000L};

    public static void main(String[] args) throws Exception {
        Locale.setDefault(Locale.ENGLISH);
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        Path folder = Path.of(args[0]);
        Files.createDirectories(folder);
        if (args.length == 1) {
            out = Files.newBufferedWriter(folder.resolve("chosen.jsonl"));
            chosen();
            out.close();
        }
        out = Files.newBufferedWriter(folder.resolve("random.jsonl"));
        random(args.length > 1 ? Long.parseLong(args[1]) : SEED, args.length > 2 ? Integer.parseInt(args[2]) : 500);
        out.close();
    }

    static void chosen() throws Exception {
        String[] patterns = {"yyyyMMdd", "yyyy-MM-dd", "yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd HH:mm:ss.SSS", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "yyyy-MM-dd'T'HH:mm:ss'Z'", "yyyy-MM-dd'T'HH:mm:ssZ", "yyyy-MM-dd HH:mm:ss z",
            "EEE, d MMM yyyy HH:mm:ss Z", "EEEE, MMMM d, yyyy h:mm a", "yy-M-d", "yyMMdd", "y", "yy", "yyy", "yyyy", "yyyyy", "M", "MM", "MMM", "MMMM", "MMMMM", "L", "LL", "LLL", "LLLL", "d", "dd", "ddd", "H", "HH", "k", "kk", "K", "KK", "h", "hh", "h a", "m", "mm", "s", "ss",
            "S", "SS", "SSS", "SSSSSS", "E", "EE", "EEE", "EEEE", "EEEEE", "D", "DDD", "F", "w", "ww", "W", "u", "uu", "a", "aaaa", "G", "GG", "GGGG", "GGGGG", "Y", "YY", "YYYY", "YYYY-'W'ww-u", "YYYY ww EEE", "yyyy D", "yyyy-DDD", "yyyy ww EEE", "yyyy MM W EEE", "yyyy MM F EEE", "yyyy w", "yyyy MM W", "MM", "dd",
            "z", "zzz", "zzzz", "Z", "ZZZZ", "X", "XX", "XXX", "XXXX", "''", "'", "'abc", "'abc'", "yyyy''MM", "'a''b'yyyy", "'o''clock'", "''''", "yyyy'year'MM", "A", "yyyyB", "j", "b", "p", "yyyy-mm-dd", "hh:mm", "\u00e9yyyy", "yyyy\u5e74MM\u6708", "", " ", "yyyy MM", "HH:mm", "MMM d, yyyy", "dd/MM/yyyy", "MM/dd/yy hh:mm a", "yyyyMMddHHmmssSSS", "yyyyMMdd'T'HHmmss", "HHmm", "G yyyy-MM-dd", "yyyy G", "u yyyy-ww", "e", "c", "x", "V", "O", "N", "n", "I", "yyyy-MM-dd G", "dd MMM yyyy", "MMMdd", "ddMMMyyyy", "yyyyMMMdd", "kk:mm", "KK:mm a", "yyyyMM", "dMyyyy", "yyyyDDD", "SSSs", "yyyy-MM-dd HH:mm:ss.SSSSSS", "yyyy.MM.dd G 'at' HH:mm:ss z", "YYYY-MM-dd", "F", "EEE w yyyy", "yyyy-MM-dd'T'HH:mm:ssX", "yyyy-MM-dd'T'HH:mm:ssXX", "HH:mm z"};
        String[] texts = {"", " ", "2020-02-30", "2020-02-29", "2019-13-45", "20200230", "2020-1-1", "2020-01-01 25:61:61", "2020-01-01 10:11:12", "2020-01-01 10:11:12.5", "2020-01-01 10:11:12.123456", "2020-01-01T10:11:12Z", "2020-01-01T10:11:12+02:00", "2020-01-01T10:11:12+0200", "2020-01-01T10:11:12+02", "2020-01-01T10:11:12.123-05:30",
            "2020-01-01 10:11:12 UTC", "2020-01-01 10:11:12 GMT", "2020-01-01 10:11:12 GMT+2:30", "2020-01-01 10:11:12 GMT+02:30", "2020-01-01 10:11:12 PST", "2020-01-01 10:11:12 +0130", "2020-07-01 10:11:12 PDT", "10:30 est", "10:30 UTC", "10:30  GMT", "10:30 GMT+5", "10:30 GMT+5:3", "10:30 Coordinated Universal Time", "10:30 +24:00", "10:30 +2400", "10:30 +2360", "10:30 -0030",
            "Wed, 4 Jul 2001 12:08:56 -0700", "wednesday, JULY 4, 2001 3:08 pm", "Wednesday, July 4, 2001 12:08 AM", "Jul 4, 2001", "july 4, 2001", "Jul", "Ju", "jan", "January", "1", "01", "12", "13", "0", "-1", "-5", "24", "25", "48", "99", "45", "46", "47", "1999", "99999", "2147483648", "99999999999", "9223372036854775808", "5x", "x5", " 5", "5 ",
            "12 PM", "12 AM", "0 am", "1 PM", "13 PM", "AM", "pm", "10:11", "23:59", "24:00", "04/07/2001", "04/07/01", "4/7/1", "04/07/01 03:04 PM", "04/07/46 03:04 AM", "11/26/46 11:59 AM", "11/26/46 12:01 PM", "461126", "461125", "20010704120856235", "20010704T120856", "1207", "120", "2001185", "2001 185", "2001-366", "2001-W27-3", "2009-W01-1", "2009-W53-7", "2009-W27-0", "2009-W27-8", "2009-W27-15", "2009-W27--1", "2009-W0-3", "2009 27 Wed", "2009 07 2 Wed", "2009 07 -1 Wed", "2009 07 0 Sun", "2009 07 5 Fri",
            "2009 27", "2009 07 2", "2009 07", "AD", "BC", "ad 2009", "AD 2009-01-02", "BC 0044-03-15", "Anno Domini 0012-01-01", "0044 BC", "2009 AD", "1582-10-04", "1582-10-05", "1582-10-10", "1582-10-14", "1582-10-15", "1582-11-01", "1582-12-31", "1581-14-31", "1583--4-01", "1582-300", "1582 W", "1582 290", "0001-01-01", "0000-01-01", "-0001-01-01", "-100-01-01", "9999-12-31", "292278994-08-17", "1900-02-29", "1500-02-29", "year", "'", "abc", "a'b2001", "2001'07", "2001year07", "\u00e92001", "2001\u5e7407\u6708", "04Jul2001", "Jul04", "2001Jul04", "072001", "4 Jul 2001", "04 JUL 2001 x", "123", "1234", "3 2009-27", "Z", "z", "+00", "+01", "+0100", "+01:00", "-01:30", "+1", "+1:00", "Wed", "Wed 27 2009", "Mon 1 2020", "12:08", "2020-01-01T00:00:00Zjunk", "2020-01-01junk", "2020-0a-01", "2020--01-01", "2020-+1-01", "2020 01", "2020-01-01  10:11:12", "2020-\t1- 1", "7", "8", "366", "400"};
        for (String pattern : patterns)
            write(pattern, MOMENTS, texts);
    }

    static void random(long seed, int count) throws Exception {
        random = new Random(seed);
        String letters = "yyyyyyMMMMMddddHHHmmmsssSSSGYLwWDFEuaHkKhzZX";
        String[] between = {"-", "/", " ", ":", "", "", "", ".", "'T'", ", ", "''", "'at'"};
        for (int i = 0; i < count; i++) {
            StringBuilder pattern = new StringBuilder();
            for (int j = random.nextInt(6); j >= 0; j--) {
                char letter = letters.charAt(random.nextInt(letters.length()));
                int times = letter == 'y' ? 2 + 2 * random.nextInt(2) : 1 + random.nextInt(4);
                if (letter == 'X')
                    times = Math.min(times, 3);
                pattern.append(String.valueOf(letter).repeat(times)).append(between[random.nextInt(between.length)]);
            }
            long[] moments = new long[6];
            for (int j = 0; j < moments.length; j++)
                moments[j] = moment();
            List<String> texts = new ArrayList<>();
            SimpleDateFormat format = new SimpleDateFormat(pattern.toString());
            for (int j = 0; j < 6; j++) {
                StringBuilder text = new StringBuilder(format.format(new Date(moment())));
                for (int k = random.nextInt(3); k > 0 && text.length() > 0; k--) {
                    int place = random.nextInt(text.length());
                    switch (random.nextInt(4)) {
                        case 0: text.setCharAt(place, (char) ('0' + random.nextInt(10))); break;
                        case 1: text.deleteCharAt(place); break;
                        case 2: text.insert(place, random.nextInt(3) == 0 ? "-" : " "); break;
                        default: text.insert(place, random.nextInt(10));
                    }
                }
                texts.add(text.toString());
            }
            write(pattern.toString(), moments, texts.toArray(new String[0]));
        }
    }

    static long moment() {
        switch (random.nextInt(5)) {
            case 0: return (long) (random.nextGaussian() * 1e12);
            case 1: return 1600000000000L + (long) (random.nextDouble() * 2e11);
            case 2: return -12219292800000L + (long) (random.nextGaussian() * 1e10);
            case 3: return -62135596800000L + (long) (random.nextGaussian() * 1e12);
            default: return (long) (random.nextGaussian() * 1e14);
        }
    }

    static void write(String pattern, long[] moments, String[] texts) throws Exception {
        StringBuilder line = new StringBuilder("{\"pattern\":" + json(pattern));
        SimpleDateFormat format;
        try {
            format = fresh(pattern);
        } catch (IllegalArgumentException e) {
            out.write(line + ",\"error\":" + json(e.getMessage()) + "}\n");
            return;
        }
        line.append(",\"formats\":[");
        for (int i = 0; i < moments.length; i++)
            line.append(i > 0 ? "," : "").append("[" + moments[i] + "," + json(format.format(new Date(moments[i]))) + "]");
        line.append("],\"parses\":[");
        for (int i = 0; i < texts.length; i++) {
            line.append(i > 0 ? "," : "").append("[" + json(texts[i]) + ",");
            try {
                // A zone that was read stays with the format.
                line.append(fresh(pattern).parse(texts[i]).getTime());
            } catch (ParseException e) {
                line.append(json(e.getMessage()));
            }
            line.append("]");
        }
        out.write(line + "]}\n");
    }

    static SimpleDateFormat fresh(String pattern) {
        SimpleDateFormat format = new SimpleDateFormat(pattern);
        format.setTimeZone(TimeZone.getTimeZone("UTC"));
        format.set2DigitYearStart(new Date(CENTURY));
        return format;
    }

    static String json(String text) {
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
