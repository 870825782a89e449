package recipe_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// document is one of the documents that people come from, with what yields its configuration here.
type document struct {
	title    string
	folder   string // under testdata/documents
	istio    string // the Istio of its day
	note     string // about the document itself
	groups   []group
	installs []installation
	steps    []step // everything else that the document has people do and this tool does
}

// installation is blocks that install something for Kubernetes to run, and the command that installs ours.
type installation struct {
	section string
	blocks  []string
	command string
	objects func(*testing.T) []*unstructured.Unstructured // what the command puts on the cluster
	differs []difference
}

// group is blocks of a document that belong together, and the command that yields what they yield.
type group struct {
	section    string
	blocks     []string          // files of the folder
	namespaces map[string]string // of blocks that the document applies with -n
	command    string            // a render line; enable takes the same flags without --istio-version and --gateway-selector
	differs    []difference
}

// difference is what is not the same on purpose, to the letter.
type difference struct {
	why    string
	rule   string   // of Istio's behaviour that is behind it, such as R33; empty if none is
	theirs []string // what only the document's objects mean
	ours   []string // what only ours mean
}

// step is something that the document has people do otherwise than by applying a block.
type step struct {
	section string
	action  string
	command string
}

const (
	wikipedia = "--domains='*.wikipedia.org'"
	cnn       = "--domains=edition.cnn.com"
	sniGW     = "--gateway=istio-system/istio-egressgateway-with-sni-proxy --gateway-selector=istio=egressgateway-with-sni-proxy"
)

var documents = []document{configureAnEgressGateway, wildcardedDomains, wildcardHosts, tlsOrigination, arbitraryDestinations}
