package counter

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// Stat is one of the statistics of a cluster or DNS cache that tell of egress.
type Stat uint8

// The statistics, by their names in Envoy's documentation of clusters, TLS sockets and DNS caches.
const (
	Opened     Stat = iota // upstream_cx_total
	Active                 // upstream_cx_active
	Failed                 // upstream_cx_connect_fail
	Requests               // upstream_rq_total
	Sent                   // upstream_cx_tx_bytes_total
	Received               // upstream_cx_rx_bytes_total
	VerifySAN              // ssl.fail_verify_san
	VerifyCA               // ssl.fail_verify_error
	VerifyNone             // ssl.fail_verify_no_cert
	VerifyHash             // ssl.fail_verify_cert_hash
	DNSFailure             // dns_query_failure
	DNSTimeout             // dns_query_timeout
	statCount
)

// statNames are the last parts of the statistics' names.
var statNames = [statCount]string{
	"upstream_cx_total", "upstream_cx_active", "upstream_cx_connect_fail", "upstream_rq_total", "upstream_cx_tx_bytes_total",
	"upstream_cx_rx_bytes_total", "ssl.fail_verify_san", "ssl.fail_verify_error", "ssl.fail_verify_no_cert",
	"ssl.fail_verify_cert_hash", "dns_query_failure", "dns_query_timeout",
}

// String is the last part of the statistic's name.
func (s Stat) String() string { return statNames[s] }

// verifications are the ways in which a peer's certificate is refused.
var verifications = []Stat{VerifySAN, VerifyCA, VerifyNone, VerifyHash}

// lookups are the ways in which a DNS cache finds no address.
var lookups = []Stat{DNSFailure, DNSTimeout}

// What names begin with.
const (
	ofCluster = "cluster."
	ofCache   = "dns_cache."
)

// Path asks Envoy for no more than Read keeps. Envoys that know no filter (before 1.8) give everything, which Read takes as well.
// Zeroes are asked for too: one that is there says that the statistic is recorded.
func Path() string {
	var cluster []string
	for s := range DNSFailure {
		cluster = append(cluster, strings.ReplaceAll(s.String(), ".", `\.`))
	}
	filter := `^cluster\..*\.(` + strings.Join(cluster, "|") + `)$|^dns_cache\..*\.(` + DNSFailure.String() + "|" + DNSTimeout.String() + `)$`
	return "/stats?filter=" + url.QueryEscape(filter)
}

// Counters are the statistics of one cluster or DNS cache. The zero value has none.
type Counters struct {
	have  uint16 // one bit for each Stat
	value [statCount]uint64
}

// Get gives a statistic and whether the proxy told it.
func (c *Counters) Get(s Stat) (uint64, bool) {
	if c == nil {
		return 0, false
	}
	return c.value[s], c.have&(1<<s) != 0
}

func (c *Counters) set(s Stat, v uint64) {
	c.have |= 1 << s
	c.value[s] = v
}

// Stats is what one reply of /stats told of clusters and DNS caches.
type Stats struct {
	clusters map[string]*Counters // by the cluster's name as statistics have it, without the ; that Istio puts after it since 1.23
	caches   map[string]*Counters
}

// Cluster gives the statistics of a cluster by its name; nil if none is recorded. In names of statistics Envoy writes _ for :.
func (s *Stats) Cluster(name string) *Counters {
	if s == nil {
		return nil
	}
	return s.clusters[strings.ReplaceAll(name, ":", "_")]
}

// Cache gives the statistics of a DNS cache by its name; nil if none is recorded.
func (s *Stats) Cache(name string) *Counters {
	if s == nil {
		return nil
	}
	return s.caches[strings.ReplaceAll(name, ":", "_")]
}

// maxLine bounds a line that is read as a whole: names of statistics have some hundred bytes. What is longer, as histograms may be,
// is passed over.
const maxLine = 64 << 10

// Read reads a reply of /stats in its text form, lines such as "cluster.outbound|443||edition.cnn.com;.upstream_cx_total: 1". Lines
// about other things are passed over; so are values that are no numbers. A reply that ends in the middle of a line is an error.
func Read(r io.Reader) (*Stats, error) {
	s := &Stats{clusters: map[string]*Counters{}, caches: map[string]*Counters{}}
	in := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case err == nil:
			s.take(line[:len(line)-1])
		case errors.Is(err, bufio.ErrBufferFull):
			if err := skipLine(in); err != nil {
				return nil, err
			}
		case errors.Is(err, io.EOF) && len(line) == 0:
			return s, nil
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("stats: the reply ends in the middle of %q", cut(line))
		default:
			return nil, fmt.Errorf("stats: %w", err)
		}
	}
}

func skipLine(in *bufio.Reader) error {
	for {
		switch _, err := in.ReadSlice('\n'); {
		case err == nil:
			return nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return errors.New("stats: the reply ends in the middle of a line")
		default:
			return fmt.Errorf("stats: %w", err)
		}
	}
}

// cut keeps what is quoted in an error short.
func cut(b []byte) []byte { return b[:min(len(b), 60)] }

// take keeps a line if it is about a cluster or a DNS cache.
func (s *Stats) take(line []byte) {
	all, stats := s.clusters, statNames[:DNSFailure]
	rest, ok := bytes.CutPrefix(line, []byte(ofCluster))
	if !ok {
		if rest, ok = bytes.CutPrefix(line, []byte(ofCache)); !ok {
			return
		}
		all, stats = s.caches, statNames[DNSFailure:]
	}
	colon := bytes.LastIndexByte(rest, ':')
	if colon < 0 {
		return
	}
	value, ok := number(rest[colon+1:])
	if !ok {
		return
	}
	name, stat, ok := split(rest[:colon], stats)
	if !ok {
		return
	}
	c := all[string(name)] // no copy is made to look it up
	if c == nil {
		c = &Counters{}
		all[string(name)] = c
	}
	if len(stats) == int(statCount-DNSFailure) {
		stat += DNSFailure
	}
	c.set(stat, value)
}

// split takes a name apart into that of the cluster or cache, without Istio's ;, and the statistic.
func split(name []byte, stats []string) ([]byte, Stat, bool) {
	for i, s := range stats {
		at := len(name) - len(s) - 1
		if at > 0 && name[at] == '.' && string(name[at+1:]) == s {
			return bytes.TrimSuffix(name[:at], []byte{';'}), Stat(i), true
		}
	}
	return nil, 0, false
}

// number reads " 42", with a carriage return after it or without.
func number(b []byte) (uint64, bool) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 || len(b) > 19 { // 19 digits fit 64 bits
		return 0, false
	}
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}
