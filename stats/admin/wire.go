package admin

import (
	"fmt"
	"math"
	"strconv"
)

// The wire types hold the members of Envoy's messages that are read. Everything else is run over, the content of secrets
// above all.

type wireDump struct { // one element of a list of listeners, clusters, routes or secrets
	Type        string          `json:"@type"`
	Name        string          `json:"name"`
	LastUpdated string          `json:"last_updated"`
	Error       *wireError      `json:"error_state"`
	Active      *wireListenerIn `json:"active_state"`
	Warming     *wireListenerIn `json:"warming_state"`
	Listener    *wireListener   `json:"listener"`
	Cluster     *wireCluster    `json:"cluster"`
	RouteConfig *wireRoutes     `json:"route_config"`
	Bootstrap   *wireBootstrap  `json:"bootstrap"`
}

type wireError struct {
	Details string `json:"details"`
	At      string `json:"last_update_attempt"`
}

type wireListenerIn struct {
	Listener *wireListener `json:"listener"`
	Updated  string        `json:"last_updated"`
}

type wireListener struct {
	Name         string          `json:"name"`
	Address      wireAddress     `json:"address"`
	More         []wireMore      `json:"additional_addresses"`
	Internal     present         `json:"internal_listener"`
	BindToPort   *bool           `json:"bind_to_port"`
	DeprecatedV1 *wireDeprecated `json:"deprecated_v1"` // bind_to_port before Envoy 1.17
	UseOriginal  bool            `json:"use_original_dst"`
	Direction    string          `json:"traffic_direction"`
	Filters      []wireNamed     `json:"listener_filters"`
	Chains       []wireChain     `json:"filter_chains"`
	Default      *wireChain      `json:"default_filter_chain"`
	Matcher      present         `json:"filter_chain_matcher"`
}

type wireDeprecated struct {
	BindToPort *bool `json:"bind_to_port"`
}

type wireNamed struct {
	Name string `json:"name"`
}

type wireMore struct {
	Address wireAddress `json:"address"`
}

type wireAddress struct {
	Socket struct {
		Address string `json:"address"`
		Port    number `json:"port_value"`
	} `json:"socket_address"`
	Internal struct {
		Listener string `json:"server_listener_name"`
	} `json:"envoy_internal_address"`
}

type wireChain struct {
	Name      string       `json:"name"`
	Match     wireMatch    `json:"filter_chain_match"`
	Filters   []wireFilter `json:"filters"`
	Transport *wireSocket  `json:"transport_socket"`
	Metadata  wireMetadata `json:"metadata"`
}

type wireMatch struct {
	Port          number     `json:"destination_port"`
	Prefixes      []wireCIDR `json:"prefix_ranges"`
	ServerNames   []string   `json:"server_names"`
	Transport     string     `json:"transport_protocol"`
	Applications  []string   `json:"application_protocols"`
	SourceType    string     `json:"source_type"`
	Source        present    `json:"source_prefix_ranges"`
	DirectSource  present    `json:"direct_source_prefix_ranges"`
	SourcePorts   present    `json:"source_ports"`
	AddressSuffix string     `json:"address_suffix"`
}

type wireCIDR struct {
	Prefix string `json:"address_prefix"`
	Length number `json:"prefix_len"`
}

// wireFilter holds the members of all filters that are read, side by side: one pass instead of one for the type and another
// for the content.
type wireFilter struct {
	Name   string `json:"name"`
	Config struct {
		Type      string      `json:"@type"`
		AccessLog present     `json:"access_log"`
		Cluster   string      `json:"cluster"`           // TcpProxy
		Weighted  wireWeights `json:"weighted_clusters"` // TcpProxy
		RDS       wireRDS     `json:"rds"`               // HttpConnectionManager
		Routes    *wireRoutes `json:"route_config"`      // HttpConnectionManager
		Port      number      `json:"port_value"`        // sni_dynamic_forward_proxy
		Cache     wireNamed   `json:"dns_cache_config"`  // sni_dynamic_forward_proxy
	} `json:"typed_config"`
}

type wireRDS struct {
	Name string `json:"route_config_name"`
}

type wireWeights struct {
	Clusters []struct {
		Name   string `json:"name"`
		Weight number `json:"weight"`
	} `json:"clusters"`
}

type wireMetadata struct {
	Filter struct {
		Istio struct {
			Config string `json:"config"`
		} `json:"istio"`
	} `json:"filter_metadata"`
}

type wireRoutes struct {
	Name  string            `json:"name"`
	Hosts []wireVirtualHost `json:"virtual_hosts"`
}

type wireVirtualHost struct {
	Name    string      `json:"name"`
	Domains []string    `json:"domains"`
	Routes  []wireRoute `json:"routes"`
}

type wireRoute struct {
	Name  string `json:"name"`
	Match struct {
		Prefix    string       `json:"prefix"`
		Separated string       `json:"path_separated_prefix"`
		Path      string       `json:"path"`
		Regex     wireRegex    `json:"safe_regex"`
		Headers   []wireHeader `json:"headers"`
		Query     present      `json:"query_parameters"`
		GRPC      present      `json:"grpc"`
		Connect   present      `json:"connect_matcher"`
		Template  present      `json:"path_match_policy"`
		Metadata  present      `json:"dynamic_metadata"`
	} `json:"match"`
	Route struct {
		Cluster  string      `json:"cluster"`
		Weighted wireWeights `json:"weighted_clusters"`
	} `json:"route"`
	Redirect present `json:"redirect"`
	Direct   struct {
		Status number `json:"status"`
	} `json:"direct_response"`
	Metadata wireMetadata `json:"metadata"`
}

type wireRegex struct {
	Regex string `json:"regex"`
}

type wireString struct {
	Exact    string    `json:"exact"`
	Prefix   string    `json:"prefix"`
	Suffix   string    `json:"suffix"`
	Contains string    `json:"contains"`
	Regex    wireRegex `json:"safe_regex"`
}

type wireHeader struct {
	Name   string     `json:"name"`
	String wireString `json:"string_match"`
	Exact  string     `json:"exact_match"` // before Envoy 1.22
	Prefix string     `json:"prefix_match"`
	Regex  wireRegex  `json:"safe_regex_match"`
	Invert bool       `json:"invert_match"`
}

type wireSocket struct {
	Name   string `json:"name"`
	Config struct {
		SNI     string `json:"sni"`
		Demands bool   `json:"require_client_certificate"`
		Common  struct {
			ALPN         []string       `json:"alpn_protocols"`
			Certificates []wireNamed    `json:"tls_certificate_sds_secret_configs"`
			Files        []wireFile     `json:"tls_certificates"`
			Validation   wireValidation `json:"validation_context"`
			FromSecret   wireNamed      `json:"validation_context_sds_secret_config"`
			Combined     struct {
				Default wireValidation `json:"default_validation_context"`
				Secret  wireNamed      `json:"validation_context_sds_secret_config"`
			} `json:"combined_validation_context"`
		} `json:"common_tls_context"`
	} `json:"typed_config"`
}

type wireFile struct {
	Chain struct {
		Filename string `json:"filename"`
	} `json:"certificate_chain"`
}

type wireValidation struct {
	CA struct {
		Filename string `json:"filename"`
	} `json:"trusted_ca"`
	Typed []struct {
		Matcher wireString `json:"matcher"`
	} `json:"match_typed_subject_alt_names"`
	Old []wireString `json:"match_subject_alt_names"`
}

type wireCluster struct {
	Name   string    `json:"name"`
	Type   string    `json:"type"`
	Custom wireNamed `json:"cluster_type"`
	Load   struct {
		Endpoints []struct {
			LB []struct {
				Endpoint struct {
					Address wireAddress `json:"address"`
				} `json:"endpoint"`
			} `json:"lb_endpoints"`
		} `json:"endpoints"`
	} `json:"load_assignment"`
	Transport *wireSocket `json:"transport_socket"`
	Matches   []struct {
		Name      string      `json:"name"`
		Transport *wireSocket `json:"transport_socket"`
	} `json:"transport_socket_matches"`
	Metadata wireMetadata `json:"metadata"`
}

type wireBootstrap struct {
	Stats struct {
		Matcher *wireMatcher `json:"stats_matcher"`
	} `json:"stats_config"`
}

// number reads a number that is written as such or, as 64-bit numbers are, in quotes.
type number uint64

// int is for ports, weights and the like, which are small; what a lying Envoy makes too large becomes the largest.
func (n number) int() int { return int(min(uint64(n), math.MaxInt32)) } // #nosec G115 -- bounded in this line

func (n *number) UnmarshalJSON(b []byte) error {
	if len(b) >= 2 && b[0] == '"' {
		b = b[1 : len(b)-1]
	}
	if string(b) == "null" {
		return nil
	}
	v, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil {
		return fmt.Errorf("%q is no number of the kind that Envoy writes", b)
	}
	*n = number(v)
	return nil
}

// present says that a member is there, whatever it holds; Envoy does not write empty ones.
type present bool

func (p *present) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "null", "[]", "false":
	default:
		*p = true
	}
	return nil
}
