package accesslog

import "bytes"

// maxNeedles is up to how many hosts it is quicker to look for their names before lines are read.
const maxNeedles = 8

// Sieve passes over lines that cannot be wanted, without reading them. What it leaves out names none of the filter's hosts; what it
// lets through may still not be wanted.
type Sieve struct{ needles []needle }

// Sieve is the filter's; one that lets all through if the filter wants any host or very many.
func (f *Filter) Sieve() Sieve {
	if len(f.Hosts) > maxNeedles {
		return Sieve{}
	}
	var s Sieve
	for _, h := range f.Hosts {
		if len(h.Domain()) < 2 {
			return Sieve{}
		}
		s.needles = append(s.needles, newNeedle(h.Domain()))
	}
	return s
}

// Each hands every line of a chunk of whole lines that may be wanted to line, in order and with its end. An error of line ends it.
func (s *Sieve) Each(chunk []byte, line func([]byte) error) error {
	if len(s.needles) == 0 {
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
		from, end := bytes.LastIndexByte(chunk[:hit], '\n')+1, len(chunk)
		if n := bytes.IndexByte(chunk[hit:], '\n'); n >= 0 {
			end = hit + n + 1
		}
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
