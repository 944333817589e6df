//! Numbers as their bits: integers of any width, and IR's formats of floating point (LangRef,
//! "Floating-Point Types").

/// A format of floating point: a sign, an exponent, and a fraction (IEEE 754, section 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// As IR calls it.
    pub(super) name: &'static str,
    pub(super) bits: u32,
    exponent: u32,
    /// The bit before the point is written (x87).
    has_integer_bit: bool,
}

const FORMATS: [Format; 6] = [
    format("half", 16, 5),
    format("bfloat", 16, 8),
    format("float", 32, 8),
    format("double", 64, 11),
    Format {
        has_integer_bit: true,
        ..format("x86_fp80", 80, 15)
    },
    format("fp128", 128, 15),
];

const fn format(name: &'static str, bits: u32, exponent: u32) -> Format {
    Format {
        name,
        bits,
        exponent,
        has_integer_bit: false,
    }
}

/// Bits of a fraction of a `double`.
const DOUBLE: u32 = 52;

impl Format {
    /// The format that IR calls so.
    pub(super) fn named(name: &str) -> Option<Self> {
        FORMATS.into_iter().find(|it| it.name == name)
    }

    fn fraction(&self) -> u32 {
        self.bits - 1 - self.exponent - u32::from(self.has_integer_bit)
    }

    fn bias(&self) -> i32 {
        (1 << (self.exponent - 1)) - 1
    }

    /// The bits of the number that is nearest, of two that are equally near the even one.
    pub(super) fn bits_of(&self, number: f64) -> u128 {
        let sign = u128::from(number.is_sign_negative()) << (self.bits - 1);
        let width = self.fraction();
        let point = u128::from(self.has_integer_bit) << width;
        let largest = (1u128 << self.exponent) - 1;
        let whole = width + u32::from(self.has_integer_bit);
        if number.is_nan() {
            return sign | largest << whole | point | 1 << (width - 1);
        }
        let infinite = sign | largest << whole | point;
        if number.is_infinite() {
            return infinite;
        }
        if number == 0.0 {
            return sign;
        }
        // number = mantissa * 2^(exponent - DOUBLE), with the mantissa's bit DOUBLE set.
        let bits = number.to_bits();
        let (raw, rest) = ((bits >> DOUBLE & 0x7ff) as i32, bits & ((1 << DOUBLE) - 1));
        let (mantissa, exponent) = if raw == 0 {
            let shift = rest.leading_zeros() - (63 - DOUBLE);
            (rest << shift, -1022 - shift as i32)
        } else {
            (rest | 1 << DOUBLE, raw - 1023)
        };
        let mantissa = u128::from(mantissa);
        let biased = exponent + self.bias();
        // Numbers below the smallest exponent lose bits.
        let lost = DOUBLE as i32 - width as i32 + (1 - biased).max(0);
        let scaled = if lost <= 0 {
            mantissa << -lost
        } else if lost > DOUBLE as i32 + 2 {
            0
        } else {
            let (kept, half) = (mantissa >> lost, 1u128 << (lost - 1));
            let over = mantissa & ((1 << lost) - 1);
            kept + u128::from(over > half || (over == half && kept & 1 == 1))
        };
        // What is rounded up may need another bit.
        let (mut biased, mut scaled) = (biased.max(1), scaled);
        if scaled >> (width + 1) != 0 {
            (biased, scaled) = (biased + 1, scaled >> 1);
        }
        if biased as u128 >= largest {
            return infinite;
        }
        let is_normal = scaled >> width != 0;
        let biased = if is_normal { biased as u128 } else { 0 };
        let fraction = scaled & ((1 << width) - 1);
        sign | biased << whole | (point * u128::from(is_normal)) | fraction
    }

    /// The number as people read it: in the fewest digits that read back as the same; as its bits,
    /// as IR writes them, if a `double` isn't exact enough.
    pub(super) fn show(&self, bits: u128) -> String {
        let width = self.fraction();
        let whole = width + u32::from(self.has_integer_bit);
        let fraction = bits & ((1 << width) - 1);
        let biased = (bits >> whole & ((1 << self.exponent) - 1)) as i32;
        let sign = if bits >> (self.bits - 1) & 1 == 1 {
            -1.0
        } else {
            1.0
        };
        let is_last = biased == (1 << self.exponent) - 1;
        let number = match (is_last, fraction) {
            (true, 0) => sign * f64::INFINITY,
            (true, _) => f64::NAN,
            _ => {
                let implied = u128::from(biased != 0) << width;
                let mantissa = (fraction | implied) as f64;
                let exponent = biased.max(1) - self.bias() - width as i32;
                // In two steps, for the smallest numbers.
                let half = exponent / 2;
                sign * mantissa * 2f64.powi(half) * 2f64.powi(exponent - half)
            }
        };
        match self.name {
            "float" => format!("{:?}", number as f32),
            "half" | "bfloat" => self.shortest(number, bits),
            "double" => format!("{number:?}"),
            _ if number.is_nan() || self.bits_of(number) == bits => format!("{number:?}"),
            "x86_fp80" => format!("0xK{bits:020X}"),
            // IR has the lower half first.
            _ => format!("0xL{:016X}{:016X}", bits as u64, (bits >> 64) as u64),
        }
    }

    fn shortest(&self, number: f64, bits: u128) -> String {
        let is_same = |digits: &String| {
            let read = digits.parse().ok();
            read.is_some_and(|read| self.bits_of(read) == bits)
        };
        let digits = (0..8).map(|digits| format!("{number:.digits$e}"));
        let digits = digits.map(|it| it.parse::<f64>().map_or(it, |it| format!("{it:?}")));
        let mut digits = digits.filter(is_same);
        digits.next().unwrap_or_else(|| format!("{number:?}"))
    }
}

/// The words of an integer's value, sign and all.
pub(super) fn words_of(value: i128, words: usize) -> Vec<u64> {
    let sign = if value < 0 { u64::MAX } else { 0 };
    let low = [value as u64, (value >> 64) as u64];
    (0..words)
        .map(|at| low.get(at).copied().unwrap_or(sign))
        .collect()
}

/// An integer of so many bits: as a signed number, or in hexadecimal if that is too long for it.
pub(super) fn show_integer(words: &[u64], bits: u32) -> String {
    if bits == 1 {
        return (words[0] & 1 != 0).to_string();
    }
    if bits <= 128 {
        let high = words.get(1).copied().unwrap_or(0);
        let value = u128::from(high) << 64 | u128::from(words[0]);
        let unused = 128 - bits;
        return ((value << unused) as i128 >> unused).to_string();
    }
    let digits: String = words
        .iter()
        .rev()
        .map(|word| format!("{word:016x}"))
        .collect();
    let digits = digits.trim_start_matches('0');
    format!("0x{}", if digits.is_empty() { "0" } else { digits })
}
