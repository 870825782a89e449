package kube

import (
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Bounds on what an API server may answer, so that one which lies or is broken ends in an error and not in all of the memory. A page of
// 500 objects has a megabyte; etcd keeps no object of more than some megabytes.
const (
	maxAnswer = 256 << 20 // bytes of one answer that is read as a whole
	maxList   = 1 << 30   // bytes of all pages of one list
	maxPages  = 10_000    // of one list
)

var errElsewhere = errors.New("the API server sends the request elsewhere")

// home lets requests go to the API server and nowhere else: a redirect to another host would take the credentials there, and could make
// this program knock at doors that only its machine can reach. It stands below all that makes requests. Answers that are read as a whole
// end where they are too long; logs are read as they come and have their own bounds.
type home struct {
	scheme, host string
	next         http.RoundTripper
	most         int64 // bytes
}

// RoundTrip sends a request to the API server, or fails.
func (h *home) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != h.host || r.URL.Scheme != h.scheme {
		err := fmt.Errorf("%w, to %s: this program talks to the API server of the kubeconfig only", errElsewhere, r.URL.Host)
		if r.Body != nil {
			err = errors.Join(err, r.Body.Close()) // a RoundTripper has to close it
		}
		return nil, err
	}
	answer, err := h.next.RoundTrip(r)
	if err != nil || answer.StatusCode == http.StatusSwitchingProtocols || answer.Body == nil || parseTarget(r.URL.Path).sub == "log" {
		return answer, err
	}
	answer.Body = &capped{ReadCloser: answer.Body, left: h.most}
	return answer, nil
}

// WrappedRoundTripper lets client-go find the transport below.
func (h *home) WrappedRoundTripper() http.RoundTripper { return h.next }

// capped is a body that fails where it is too long, rather than to seem to end there.
type capped struct {
	io.ReadCloser

	left int64
}

var errTooLong = errors.New("the API server's answer is too long")

// Read reads what is left.
func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, fmt.Errorf("%w: more than %d MiB", errTooLong, maxAnswer>>20)
	}
	n, err := c.ReadCloser.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}
