#include "http/chars.h"

enum {
    GRAPHIC = CHAR_TEXT | CHAR_TARGET,
    MARK = GRAPHIC | CHAR_TOKEN,
    LETTER = MARK | CHAR_HOST,
    HEX_LETTER = LETTER | CHAR_HEX,
    DIGIT = HEX_LETTER | CHAR_DIGIT,
};

const unsigned char char_sets[256] = {
    ['\t'] = CHAR_TEXT,
    [' '] = CHAR_TEXT,
    ['!'] = MARK,
    ['"'] = GRAPHIC,
    ['#'] = CHAR_TEXT | CHAR_TOKEN,
    ['$' ... '\''] = MARK,
    ['(' ... ')'] = GRAPHIC,
    ['*' ... '+'] = MARK,
    [','] = GRAPHIC,
    ['-' ... '.'] = LETTER,
    ['/'] = GRAPHIC,
    ['0' ... '9'] = DIGIT,
    [':' ... '@'] = GRAPHIC,
    ['A' ... 'F'] = HEX_LETTER,
    ['G' ... 'Z'] = LETTER,
    ['[' ... ']'] = GRAPHIC,
    ['^'] = MARK,
    ['_'] = LETTER,
    ['`'] = MARK,
    ['a' ... 'f'] = HEX_LETTER,
    ['g' ... 'z'] = LETTER,
    ['{'] = GRAPHIC,
    ['|'] = MARK,
    ['}'] = GRAPHIC,
    ['~'] = LETTER,
    [0x80 ... 0xff] = GRAPHIC,
};
