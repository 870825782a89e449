package accesslog

import (
	"encoding/binary"
	"math/bits"
)

// needle finds a word in bytes whatever the case of its letters, eight bytes at a time. It is what makes it cheap to pass over lines
// that do not name a host.
type needle struct {
	word   []byte // lower case
	at     int    // of the pair of its letters that is looked for
	first  uint64 // that pair, each in all eight bytes of a word
	second uint64
}

// maxNeedles is how many needles are looked for at most: more words are looked for at once.
const maxNeedles = leastStride / 2

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
	lower = 0x2020202020202020
)

// newNeedle prepares for a word of at least two bytes, ASCII in lower case.
func newNeedle(word string) needle {
	n := needle{word: []byte(word)}
	best := -1
	for i := range len(word) - 1 {
		if r := rarity(word[i]) + rarity(word[i+1]); r > best {
			best, n.at = r, i
		}
	}
	n.first, n.second = ones*uint64(word[n.at]|0x20), ones*uint64(word[n.at+1]|0x20)
	return n
}

// rarity is how seldom a byte is in access logs, in rough steps: they are full of digits, dots and the letters of usual words.
func rarity(c byte) int {
	switch {
	case c >= '0' && c <= '9', c == '.', c == '-':
		return 0
	case c == 'e', c == 't', c == 'o', c == 's', c == 'r', c == 'a', c == 'i', c == 'n', c == 'c', c == 'u', c == 'd', c == 'l':
		return 1
	case c == 'j', c == 'q', c == 'x', c == 'z', c == 'k', c == 'w', c == 'y', c == 'f':
		return 3
	}
	return 2
}

// index finds the word at or after from; -1 if it is not there.
func (n *needle) index(b []byte, from int) int {
	i := from + n.at                           // of the pair
	last := len(b) - (len(n.word) - n.at)      // where the pair may begin at most
	for ; i+9 <= len(b) && i <= last; i += 8 { // eight places at once
		x := (binary.LittleEndian.Uint64(b[i:]) | lower) ^ n.first
		y := (binary.LittleEndian.Uint64(b[i+1:]) | lower) ^ n.second
		z := x | y
		hits := (z - ones) &^ z & highs
		for hits != 0 {
			place := i + bits.TrailingZeros64(hits)/8
			if place <= last && n.here(b[place-n.at:]) {
				return place - n.at
			}
			hits &= hits - 1
		}
	}
	for ; i <= last; i++ {
		if n.here(b[i-n.at:]) {
			return i - n.at
		}
	}
	return -1
}

// here says whether b begins with the word.
func (n *needle) here(b []byte) bool {
	for i, c := range n.word {
		got := b[i]
		if got >= 'A' && got <= 'Z' {
			got |= 0x20
		}
		if got != c {
			return false
		}
	}
	return true
}
