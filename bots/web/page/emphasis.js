/**
 * Bold and italics beside Chinese, Japanese and Korean.
 *
 * CommonMark looks at the neighbours of `**`: after punctuation and before a letter it cannot
 * close. CJK text has no spaces, so `这是**重要：**内容` stays full of asterisks there, and models
 * write it all the time. As in the proposed amendment for CJK, wide punctuation is no punctuation
 * here, and a CJK neighbour is as good as a space.
 */

const ASCII_PUNCTUATION = /[!-/:-@[-`{-~]/;
const CJK =
  /[\u1100-\u11ff\u2e80-\u303f\u3040-\ua4cf\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef]/;
const SPACE = /\s/;
const DIGIT = /[0-9]/;

/** A markdown-it plugin: emphasis that knows CJK, and `3*4*5` that stays a product. */
export function cjkEmphasis(markdown) {
  markdown.inline.State = class extends markdown.inline.State {
    scanDelims(start, canSplitWord) {
      const scanned = super.scanDelims(start, canSplitWord);
      // An underscore is a part of words, and keeps the rules for words.
      if (!canSplitWord) return scanned;
      const before = this.src[start - 1] ?? " ";
      const after = this.src[start + scanned.length] ?? " ";
      const product = scanned.length === 1 && DIGIT.test(before) && DIGIT.test(after);
      return {
        ...scanned,
        can_open: !product && touches(after, before),
        can_close: !product && touches(before, after),
      };
    }
  };
}

/** Whether a mark may belong to the text on its inner side, seen what is on its outer side. */
function touches(inner, outer) {
  if (SPACE.test(inner)) return false;
  return !ASCII_PUNCTUATION.test(inner) || isBorder(outer);
}

function isBorder(character) {
  return SPACE.test(character) || ASCII_PUNCTUATION.test(character) || CJK.test(character);
}
