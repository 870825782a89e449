package accesslog

import "encoding/binary"

// strider finds any of several words in bytes, whatever the case of their letters. It looks at two bytes and goes on by as many as it
// can without stepping over a word, which is nearly the length of the shortest one: pairs of letters that stand in a word are rare in
// what is between the names. (The way of Wu and Manber, with the beginnings of the words.)
type strider struct {
	words []string // lower case
	least int      // bytes of each word's beginning that are looked for, at most its length
	skip  [1 << 16]uint8
}

// maxStride is how far it goes at most, in bytes.
const maxStride = 64

// newStrider prepares for words of at least so many bytes, at least 2 and at most maxStride, ASCII in lower case.
func newStrider(words []string, least int) *strider {
	s := &strider{words: words, least: least}
	for i := range s.skip {
		s.skip[i] = uint8(least - 1) //nolint:gosec // at most maxStride
	}
	for _, w := range words {
		for i := range least - 1 {
			for _, first := range bothCases(w[i]) {
				for _, second := range bothCases(w[i+1]) {
					pair := uint16(first) | uint16(second)<<8
					s.skip[pair] = min(s.skip[pair], uint8(least-2-i)) //nolint:gosec // at most maxStride
				}
			}
		}
	}
	return s
}

func bothCases(c byte) [2]byte {
	if c >= 'a' && c <= 'z' {
		return [2]byte{c, c &^ 0x20}
	}
	return [2]byte{c, c}
}

// index finds a word at or after from; -1 if none is there.
func (s *strider) index(b []byte, from int) int {
	for i := from + s.least - 2; i+2 <= len(b); { // of the last pair of the place that is looked at
		skip := int(s.skip[binary.LittleEndian.Uint16(b[i:])])
		if skip > 0 {
			i += skip
			continue
		}
		at := i - (s.least - 2)
		for _, w := range s.words {
			if len(b)-at >= len(w) && equalFold(b[at:at+len(w)], w) {
				return at
			}
		}
		i++
	}
	return -1
}
