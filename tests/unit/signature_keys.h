/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Private keys for tests, of sizes and kinds that signature_make() doesn't make. They protect nothing.
 */
#ifndef POSTERN_TESTS_UNIT_SIGNATURE_KEYS_H
#define POSTERN_TESTS_UNIT_SIGNATURE_KEYS_H

/* RFC 8032 7.1, test 1; as RFC 8463 A.2 has it. */
static const char ed25519_key[] = "-----BEGIN PRIVATE KEY-----\n"
                                  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                                  "-----END PRIVATE KEY-----\n";
static const char ed25519_public[] = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

static const char rsa_512_key[] =
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "MIIBOgIBAAJBALGs1A7Aiei9qLw+NKVyg2Tlxv1Flt4mpGCBGpaP7SxJJS8M5pUp\n"
    "HMZNCH7OtTqICUcnOnd9VC8m+mBpeEhxkrECAwEAAQJANrWVBoXa8UOVNYGiDF/a\n"
    "fbMTNuG6tuUHMIAQg9QFn+DScSEyob8No5SusYkJ0Be0aa2Qk3WocnQNGTnhYX7e\n"
    "wQIhAMjASUFjkvDxQqLfwc7be9JoHRhij17oLRSbkTWvJja9AiEA4pK+7d8be1BE\n"
    "RCc/s8QO8rSX1KJsnVZyUS0ineTZFQUCIEfx2Y8Mn3moDQiQBkYbFKoYU+0MTXNm\n"
    "49kR052YsqpFAiBVukqNvHYsgWFjHCqpPQye3p/4L4DDQ3s7pcVMUtOkdQIhAIqd\n"
    "0SUpaWHLaXc5WfIxekPl/9DfDNAPTRsrs1UW4Otq\n"
    "-----END RSA PRIVATE KEY-----\n";

/* PKCS #8 */
static const char rsa_1024_key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBALoGxfzqLMQFHa9b\n"
    "8b5ekzjK3DxsE4P6IuixD2/yRFdfDpJBdXHXXH1l1dtIisYjI4eTkt/M+qIquBI3\n"
    "lr4esckooP/WISoZ3HYeXv6i9O3NcrfNycdORROnEVFBCciBhHICGj23emm6CruB\n"
    "XFi/F2U7SLf/YPUUAjC5WgFLY/GXAgMBAAECgYAZumYXnKukULDSV/0PPzVNXYEo\n"
    "OipYzneVhyeDbBZXnyX8xGDh5c886KCzO002KhX34kkl+suPMilTG60Vjlk4JIbD\n"
    "QsfkeZw5eQ6CzGoXdbPcwI9gm5IHQpyrdLSIQX6deSqaFGHSlyVCsyZd4iT9FBVa\n"
    "TvCouypD6hWr/OHaQQJBAMqjlEFWtW36J8G5feh+hpEWCF2/o0vU63akukITNqlS\n"
    "GG2PWC8HzU9czCEXhC1Li/lq6XRMyHp0XWFlQKcLUyUCQQDrA00I1udpNZgZFpgk\n"
    "+ORq0E1AP259R6HYMXIgoT8z9rqEuVmzCrQdLuZTleqytCVfK834Wq314eeOXWvW\n"
    "yzMLAkAMFvJTa57rbs9MaYqvgkz4/v2EylgtwAhETdOm+Yp7U6CNeM3kEG0ZXQn4\n"
    "t3R1V1qEiPJgs+wKEkM3+lh/HtfZAkBOP8odgFiKulKLP++ml8yOGA8wri4evoQP\n"
    "1N7YKHg/2A3gdUp9h7nS4bPE7uy3Va3/0zkAUUkMzovn5gkq+ntjAkEApEUUMzlQ\n"
    "WasMMTVGEcgzefhP4Ofx7zxwQhc1eioY7B+ehTzwM8LeiUy1hm1oHVGQRnw6+8q7\n"
    "lW6TFV6L5PMoxQ==\n"
    "-----END PRIVATE KEY-----\n";

static const char rsa_4096_key[] =
    "-----BEGIN RSA PRIVATE KEY-----\n"
    "MIIJKQIBAAKCAgEAs5kBy/954RNzH2it0Wqg3jYEqSJUzQQLO9B59ybd2zEiL6kH\n"
    "7TehS5YnVWx3wwObvSldrh5jm2GxGcm+Jm40GNDCu4xopCNVfRdXhfEnPrznsQL/\n"
    "+i5CYdz6nyNcpGWQr65Bde8z3+jfsfamIW8FF3N3VUbyK0RqFExuLf/3yBPacR/v\n"
    "FfLr9sOpwI+nY7YgoCBpVCPaKVQas5wXyB0Yz5IOvcTXa465cRbXGXGf4eRZWYem\n"
    "gBo/mUMDHNZDre9ahmmZkiZ3UvDukMapKCv3SkGVNIBaA6xeLkYQPTgO8A4PnOpt\n"
    "+99iihpVQE7dcTMA+A+30MMkVAzY3mO5wYmDxi+14UqF3xkMU+QHC9uoklFnfspO\n"
    "b2etFoSia/Ncjt3CXnluiw7f0RIBJGR2L3FHoO69MRWOp/ukgV32jIKeuII0eLW1\n"
    "kQ+cnTVwUp+yVVxWljX+X6fLa8xGhApQOM85m+HPJH751jjNdv6wQ8q9pEnBPvBL\n"
    "03lCwFlcdoV13aZRF88ML37n4GDJ7wURbakt5Ta6lsza3QqtUbjxP9EAJZsO4CAp\n"
    "6UnQaxwwEvdFy1C68xFsXNjRIzump+gIJKt5OexicC39TIrhqSpFVZsWthUgjkKH\n"
    "g9O+92CoWyBWMjEcPtrU+uR8YkoG8AIZ0+gEAJLDUZq8q0aJgqPuhqlRMXsCAwEA\n"
    "AQKCAgEAqU4DMKEM704bh69xtGo1bmUz7ZGMqZw3TtLQN1pvaJOf65gH/eskZZIO\n"
    "UGwpVjDPnvog8uR49+CXSH0zgR0Ahag++vh5KMqaa4sWmhDk8zK3o9n1H45+S606\n"
    "ocx/KAcK52J5GUk++MSaJDUlFX2IKjxScZSo9HrRGYOXlkun9PgqQ9xb0bAoG38G\n"
    "Rp3lqYzmoq0LPiNyJOXBKjJrBN3RJtREi0bF4QIx9NcYPUcs9pECXfEP19FmxP80\n"
    "LvoZ4R0zlGR2Ph1+/TRdYSO2EUWpIFpE4rJgqPfT7QFli6CODGTk+QLSXc+PICuE\n"
    "1FPEU1NGhZKjsOxVEdrukm8mjLkq+5MXsTFPCzDYd62+Y2rOCNuDPWR1PJkeD/FZ\n"
    "L60AYpIX7Lscs5g3gU+Eux1RlojZuqEg2RSSijFAHZNOnLSr3aqEyXZKOw0YkZ1u\n"
    "L0z3Sj4lqZpBj+yeqJV9UchEKzYlo4+OEDZcBOBoPOw0iIEndCxp+0QdJdrOHRIi\n"
    "6kIT+2Jg7zQB+gu20X9rWdrm2/9n0oXICztoM0eEwzI6y5w3AtVxYhYi3DPxuVTt\n"
    "i0U4VQ5XBk4haQzpcUHS6UpfhXizwHXPsnMqWqWWNUAlqT59lWzSpEgfT3GWhJs3\n"
    "LBUnU14jX+Oez2rCzsNAdGyqBrdpqnmVlVczWM1UYYwzJTqN94kCggEBAMV7B4JK\n"
    "AWXxRDsHv2saMdsJVwmELSuinxFu3B/5VObxXXX5zMLz022GnKJ/q+TWjk41gpya\n"
    "c90R8C5R4QBGCfkpuS+/Fq7xQntWLPRo8VmZGHS0GEVxCHf7yVuCZq+AthrlrJ5W\n"
    "TlxNeEn4qhXSiAp+OF+oBREb6Zgl5vNiAPA7XYR/Z2fPrxhEITwonaWiHIWZAjlz\n"
    "LmmRgG23N0F9rYmRoHIED5S7czU3pfMdyCqdvpayxc22uh6s8eptc9lclYREPW7k\n"
    "H3phA/UGnhnz6zm1V2mkq7sCW7+uYnt7yaQJbc818P7feIzN7XmjU8CfKnt+Yra1\n"
    "mYrIUn0dSWvhwl0CggEBAOjRX1hUNk7s9v8D8WcIOhgIWkx+0rCMwXd2937Sx6en\n"
    "Wj9MDtER5zZ0rUQVav7cFtzMNWrngRSlrJ+swiL1/7h7IO+9UJEPiX4Om68t5YTu\n"
    "NqmWcm+n7okDICE9aXY54gWj8U9iuyVP4rWfbW3DdD4b9vBXH6kFXvkA6C7ZILyD\n"
    "uA7Z8d0jN8rBMaRb+2rtWu+hxeNCj3Dr+Mdmaaz7Ieg5x4MAA19snkWf792xOHAV\n"
    "FsoT0EIAJsatvpqpmrrcX4yNdoM6L25FLARCR1wL8L/QO3j3TJAqbUEErnEiY9q3\n"
    "+H4+ocSvuR8JiHfnJhfz96Uxnq2xZy5s/161Ws1aNbcCggEAUbkNLXTUyUwj0U3u\n"
    "gDMR6LQfybdiPgmJTFyVScITyZKe+8CJZTAkEdJAJdsx1nyX3XO1fntIcXcH7xNB\n"
    "SqyxWeRTV5f7miALRCEwb2CyaEK75SfWV35kY8rV1EHNntlkAxOC8O+EdBw3KF14\n"
    "fZlnZPhA+gz9M8xaSfV9csDe5IucssVKlKJUsnUXT977Bl1k8kCUtBOfZF6rSDwm\n"
    "6LpKw4B5ZlWZ4RIFpkNGMKrleAVZpuGKjAwPT7yATGRJKe1vjpHy3l4XTLyzN4Yq\n"
    "jVDsyi/qYbScwMJEF7nh1XovwuuH/tUyyzbNm29o1AqsES2NFhgCX9wdE1q9EDu7\n"
    "c6K0nQKCAQEAn/iVIdUjR9Hs2Ub1TU1K1Y6PtTYDQMpGePamkl70Ts9f5FQ3bhJ2\n"
    "I2XCVCC/VwUVNHugTKdreytnVIPZFTqgjjsUY4ZaYIIjgBk7gf/wUAl6R8aXNP9X\n"
    "mI8sOYq/9ztIgYWnXlvBqZ6dcRxtjVkaez6ty3Ch0XpeSowD/YS1yLJc+t9oIAF9\n"
    "6XQbzwpg05TpwfQPS9tFQlrxotlMzU31e2KQIwQUTTIOAlsl7tdBp0nmUc2RcHg4\n"
    "LJXffNgC+FhJ0wK0pvCI/KTM3NRJwgZ2UuYap0CNPBXa4iz8S8JMiFGWjfAtKT9w\n"
    "3NGpEnIiK5030SsqE8Ds2+qLAaFtFeLhOwKCAQBV/44YpqOygQ6Q5B+bKqbnM3qC\n"
    "hcxcqV3HHT0XI0K8n6Y5sq8ADRJU05/XwTSTQyald3UgGGT97E8xluLTf/IsRP5Q\n"
    "sUftEpSM4LQSE1hYHmCJRaOK/Z71VJFg/B82Kn7UUd4+CeUW6YbkCKcqSMuH/jyA\n"
    "AWn/1TBUos5fOczTOjSnHzxrNZC8HA3AEKR4zELn/+UbIiYi0gNw+a/RpHoh9den\n"
    "HQjBKEG326cf5Yekn4HRxrhDUUsBptzCpUm9TTNxcYwRctrr9nIG83IC+rIo2TiQ\n"
    "8rvqROhb7zUSAmHEjG3SriK8Uhs6OG4s6CbIdsgxPAeuaidC6BhQtewgy9V2\n"
    "-----END RSA PRIVATE KEY-----\n";

static const char ecdsa_key[] =
    "-----BEGIN EC PRIVATE KEY-----\n"
    "MHcCAQEEIBQRpQxDvEXSaez3IYdyaSaOVeFxbQfANbISxAYxToMqoAoGCCqGSM49\n"
    "AwEHoUQDQgAE/4Vz75I37zgTXYzvscdgVcGF5Cex6DkDqLKp9is4V2RolqbSx8/R\n"
    "4N3B0ie7DvjCBMeCojiSl5oknkK21Zqnzg==\n"
    "-----END EC PRIVATE KEY-----\n";

#endif
