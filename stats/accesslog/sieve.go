package accesslog

import "bytes"

// maxWords is up to how many hosts it is quicker to look for their names before lines are read.
const maxWords = 64

// leastStride is from how many bytes on, the shortest name times their number, it is quicker to look for all of them at once: the
// shorter the shortest, the smaller the steps.
const leastStride = 14

// Sieve passes over lines that cannot be wanted, without reading them. What it leaves out names none of the filter's hosts; what it
// lets through may still not be wanted.
type Sieve struct {
	needles []needle
	strider *strider // takes the place of the needles
}

// Sieve is the filter's; one that lets all through if the filter wants any host or very many.
func (f *Filter) Sieve() Sieve {
	if len(f.Hosts) == 0 || len(f.Hosts) > maxWords {
		return Sieve{}
	}
	words, least := make([]string, 0, len(f.Hosts)), maxStride
	for _, h := range f.Hosts {
		words = append(words, h.Domain())
		least = min(least, len(h.Domain()))
	}
	switch {
	case least < 2:
		return Sieve{}
	case least*len(words) >= leastStride:
		return Sieve{strider: newStrider(words, least)}
	}
	var s Sieve
	for _, w := range words {
		s.needles = append(s.needles, newNeedle(w))
	}
	return s
}

// Each hands every line of a chunk of whole lines that may be wanted to line, in order and with its end. An error of line ends it.
func (s *Sieve) Each(chunk []byte, line func([]byte) error) error {
	switch {
	case s.strider != nil:
		return s.strides(chunk, line)
	case len(s.needles) == 0:
		return eachLine(chunk, line)
	}
	var hits [maxNeedles]int // where each host's name is next; len(chunk): nowhere
	for i := range s.needles {
		hits[i] = s.needles[i].nextIn(chunk, 0)
	}
	for {
		hit := len(chunk)
		for i := range s.needles {
			hit = min(hit, hits[i])
		}
		if hit == len(chunk) {
			return nil
		}
		from, end := lineAt(chunk, hit)
		if err := line(chunk[from:end]); err != nil {
			return err
		}
		for i := range s.needles {
			if hits[i] < end {
				hits[i] = s.needles[i].nextIn(chunk, end)
			}
		}
	}
}

// strides is Each with all names looked for at once.
func (s *Sieve) strides(chunk []byte, line func([]byte) error) error {
	for at := 0; ; {
		hit := s.strider.index(chunk, at)
		if hit < 0 {
			return nil
		}
		from, end := lineAt(chunk, hit)
		if err := line(chunk[from:end]); err != nil {
			return err
		}
		at = end
	}
}

// lineAt gives where the line around a place begins and ends.
func lineAt(chunk []byte, place int) (from, end int) {
	from, end = bytes.LastIndexByte(chunk[:place], '\n')+1, len(chunk)
	if n := bytes.IndexByte(chunk[place:], '\n'); n >= 0 {
		end = place + n + 1
	}
	return from, end
}

func (n *needle) nextIn(chunk []byte, from int) int {
	if at := n.index(chunk, from); at >= 0 {
		return at
	}
	return len(chunk)
}

func eachLine(chunk []byte, line func([]byte) error) error {
	for len(chunk) > 0 {
		end := len(chunk)
		if n := bytes.IndexByte(chunk, '\n'); n >= 0 {
			end = n + 1
		}
		if err := line(chunk[:end]); err != nil {
			return err
		}
		chunk = chunk[end:]
	}
	return nil
}
